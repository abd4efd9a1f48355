// Allocates at the end of C++ stacks. Comments say what the stacks are;
// tests/support/native_expectations.rs explains.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static void *volatile kept;
static void keep(void *block) { kept = block; }
#define FRAME __attribute__((noipa))
#define STAY __asm__ volatile("" ::: "memory")

namespace shapes {

// Names with namespaces, parameters, templates.
template <typename T> struct Holder {
    FRAME void grow(int count) {
        kept = malloc(1000001 + count * sizeof(T)); // @grow
    }
    template <typename Other> FRAME Other convert(T, Other other) {
        kept = malloc(1000010); // @convert
        return other;
    }
};
FRAME void templates() {
    Holder<int>().grow(1); // @templates-int
    Holder<std::pair<long, char>>().grow(1); // @templates-pair
    Holder<unsigned>().convert<double>(1, 2); // @templates-convert
    STAY;
}
//stack 1000005: main@main-templates / shapes::templates()@templates-int / shapes::Holder<int>::grow(int)@grow
//stack 1000017: main@main-templates / shapes::templates()@templates-pair / shapes::Holder<std::pair<long, char> >::grow(int)@grow
//stack 1000010: main@main-templates / shapes::templates()@templates-convert / double shapes::Holder<unsigned int>::convert<double>(unsigned int, double)@convert

// Operators, constructors, destructors, virtual functions.
struct Base {
    FRAME Base() { kept = malloc(1000020); /* @base-constructor */ }
    FRAME virtual ~Base() { kept = malloc(1000021); /* @base-destructor */ }
    FRAME virtual void work() = 0;
    FRAME void *operator new(size_t size) {
        kept = malloc(1000022); // @own-new
        return malloc(size);
    }
    FRAME void operator delete(void *block) { free(block); }
    FRAME Base &operator+=(int) {
        kept = malloc(1000023); // @plus
        return *this;
    }
};
struct Derived final : Base { // @derived
    FRAME ~Derived() override { kept = malloc(1000024); /* @derived-destructor */ }
    FRAME void work() override { kept = malloc(1000025); /* @work */ }
};
FRAME void works(Base &base) {
    base.work(); // @works
    base += 1; // @works-plus
    STAY;
}
FRAME void classes() {
    Base *object = new Derived; // @classes-new
    works(*object); // @classes-works
    Derived local; // @classes-local
    STAY;
    delete object; // @classes-delete
    STAY;
}
//stack 1000020: main@main-classes / shapes::classes()@classes-new / shapes::Derived::Derived()@derived / shapes::Base::Base()@base-constructor
//stack 1000020: main@main-classes / shapes::classes()@classes-local / shapes::Derived::Derived()@derived / shapes::Base::Base()@base-constructor
//stack 1000022: main@main-classes / shapes::classes()@classes-new / shapes::Base::operator new(unsigned long)@own-new
//stack 1000025: main@main-classes / shapes::classes()@classes-works / shapes::works(shapes::Base&)@works / shapes::Derived::work()@work
//stack 1000023: main@main-classes / shapes::classes()@classes-works / shapes::works(shapes::Base&)@works-plus / shapes::Base::operator+=(int)@plus

// Lambdas.
FRAME void calls(const std::function<void(int)> &function) {
    function(3); // @calls
    STAY;
}
FRAME void lambdas() {
    auto named = [](int number) FRAME { kept = malloc(1000030 + number); /* @lambda */ };
    named(1); // @lambdas-named
    auto calling = [=](int number) FRAME {
        named(number); // @lambda-calls
        STAY;
    };
    calls(calling); // @lambdas-calls
    STAY;
}
//stack 1000031: main@main-lambdas / shapes::lambdas()@lambdas-named / shapes::lambdas()::{lambda(int)#1}::operator()(int) const@lambda
//stack 1000033: main@main-lambdas / shapes::lambdas()@lambdas-calls / shapes::calls(std::function<void (int)> const&)@calls / ... / shapes::lambdas()::{lambda(int)#2}::operator()(int) const@lambda-calls / shapes::lambdas()::{lambda(int)#1}::operator()(int) const@lambda

// The library's containers: their own functions stand between.
FRAME void containers() {
    std::vector<char> bytes;
    bytes.reserve(1000040); // @vector
    keep(bytes.data());
    std::string text(1000040, 'x'); // @string
    keep(&text[0]);
    std::map<int, std::unique_ptr<char[]>> owned;
    owned[1].reset(new char[1000042]); // @new-array
    keep(owned[1].get());
    auto shared = std::make_shared<std::array<char, 1000048 - 16>>(); // @shared
    keep(shared->data());
    keep(::operator new(1000044)); // @operator-new
    keep(new (std::nothrow) char[1000045]); // @nothrow
    keep(::operator new(1000064, std::align_val_t(64))); // @aligned
}
//stack 1000040: main@main-containers / shapes::containers()@vector / ...
//stack 1000041: main@main-containers / shapes::containers()@string / ...
//stack 1000042: main@main-containers / shapes::containers()@new-array / ...
//stack 1000048: main@main-containers / shapes::containers()@shared / ...
//stack 1000044: main@main-containers / shapes::containers()@operator-new / ...
//stack 1000045: main@main-containers / shapes::containers()@nothrow / ...
//stack 1000064: main@main-containers / shapes::containers()@aligned / ...

// Exceptions: what they unwound is gone, and where they were caught goes on.
struct Guard {
    int number;
    FRAME ~Guard() {
        kept = malloc(1000050 + number); // @guard
    }
};
struct Large : std::runtime_error {
    char room[100000];
    using std::runtime_error::runtime_error;
};
FRAME int throws(int depth) {
    Guard guard{depth % 2};
    if (depth == 0) throw Large("thrown"); // @throws
    return throws(depth - 1) + 1; // @throws-deeper
} // @throws-unwound
FRAME void rethrows() {
    try {
        throws(1); // @rethrows-calls
    } catch (const std::exception &) {
        kept = malloc(1000060); // @rethrows-caught
        throw; // @rethrows
    }
}
FRAME void nested() {
    try {
        rethrows(); // @nested-calls
    } catch (const Large &) {
        kept = malloc(1000061); // @nested-caught
        try {
            throw 77;
        } catch (int number) {
            kept = malloc(1000062 + number - 77); // @nested-inner
        }
        kept = malloc(1000063); // @nested-again
    }
    kept = malloc(1000066); // @nested-after
}
FRAME void exceptions() {
    nested(); // @exceptions
    for (int round = 0; round < 100; round++) {
        try {
            throw std::make_unique<int>(round);
        } catch (std::unique_ptr<int> &caught) {
            if (*caught == 99) kept = malloc(1000065); // @exceptions-loop
        }
    }
}
//stack 1000051: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-calls / shapes::rethrows()@rethrows-calls / shapes::throws(int)@throws-unwound / shapes::Guard::~Guard()@guard
//stack 1000050: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-calls / shapes::rethrows()@rethrows-calls / shapes::throws(int)@throws-deeper / shapes::throws(int)@throws-unwound / shapes::Guard::~Guard()@guard
//stack 1000060: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-calls / shapes::rethrows()@rethrows-caught
//stack 1000061: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-caught
//stack 1000062: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-inner
//stack 1000063: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-again
//stack 1000066: main@main-exceptions / shapes::exceptions()@exceptions / shapes::nested()@nested-after
//stack 1000065: main@main-exceptions / shapes::exceptions()@exceptions-loop

// Threads, and what lives as long as they do.
struct OfThread {
    FRAME OfThread() { kept = malloc(1000070); /* @of-thread-made */ }
    FRAME ~OfThread() {
        kept = malloc(1000071); // @of-thread-gone
    }
    FRAME void touch() { STAY; }
};
static thread_local OfThread of_thread;
FRAME void runs(int size) {
    of_thread.touch(); // @runs-touches
    kept = malloc(size); // @runs
}
FRAME void threads() {
    std::thread one(runs, 1000072); // @threads-one
    one.join();
    auto running = [](int size) FRAME {
        runs(size); // @thread-lambda
        STAY;
    };
    std::thread other(running, 1000073); // @threads-other
    other.join();
}
//stack 1000072: main@main-threads / shapes::threads()@threads-one / ... / | / ... / shapes::runs(int)@runs
//stack 1000073: main@main-threads / shapes::threads()@threads-other / ... / | / ... / shapes::threads()::{lambda(int)#1}::operator()(int) const@thread-lambda / shapes::runs(int)@runs
//stack 1000071: main@main-threads / shapes::threads()@threads-one / ... / | / ~ / shapes::OfThread::~OfThread()@of-thread-gone
//stack 1000071: main@main-threads / shapes::threads()@threads-other / ... / | / ~ / shapes::OfThread::~OfThread()@of-thread-gone

} // namespace shapes

// Very many stacks.
template <int N> struct Walk {
    FRAME static void step(unsigned seed, int depth) {
        volatile char room[N * 50 + 1];
        room[0] = 1;
        int *volatile number = new int(depth);
        delete number;
        if (depth == 0) return;
        seed = seed * 1103515245 + 12345;
        switch (seed >> 16 & 3) {
        case 0: Walk<0>::step(seed, depth - 1); break;
        case 1: Walk<1>::step(seed, depth - 1); break;
        case 2: Walk<2>::step(seed, depth - 1); break;
        case 3: Walk<3>::step(seed, depth - 1); break;
        }
        STAY;
    }
};

// Before and after main.
struct Global {
    FRAME Global() { kept = malloc(1000080); /* @global-made */ }
    FRAME ~Global() { kept = malloc(1000081); /* @global-gone */ }
};
static Global global;
//stack 1000080: *** / Global::Global()@global-made
//stack 1000081: ~ / Global::~Global()@global-gone

int main() {
    shapes::templates(); // @main-templates
    shapes::classes(); // @main-classes
    shapes::lambdas(); // @main-lambdas
    shapes::containers(); // @main-containers
    shapes::exceptions(); // @main-exceptions
    shapes::threads(); // @main-threads
    for (unsigned seed = 0; seed < 300; seed++) Walk<0>::step(seed * 77, 8);
    return 0;
}
