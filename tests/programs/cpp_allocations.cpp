// What the C++ library allocates for its users, by all forms of new and delete, and in its containers. The comment before a
// function says what it and whatever it calls allocate in all; nothing of it is left at the end.
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#define APART __attribute__((noinline)) static void

struct alignas(256) Aligned {
    char bytes[512];
};

struct Throwing {
    char bytes[600];
    Throwing() { throw 5; }
};

//sum one_block 1/984
APART one_block() {
    std::vector<int> numbers;
    numbers.reserve(246);
}

// Room for 1, 2, 4 to 512 numbers.
//sum doubled 10/4092
APART doubled() {
    std::vector<int> numbers;
    for (int i = 0; i < 512; i++) numbers.push_back(i);
}

//sum single_and_many 300/151500
APART single_and_many() {
    for (int i = 0; i < 100; i++) {
        delete new char;
        delete[] new char[1013];
        ::operator delete(::operator new(501), 501);
    }
}

//sum without_exceptions 100/70000
APART without_exceptions() {
    for (int i = 0; i < 100; i++) ::operator delete(::operator new(700, std::nothrow), std::nothrow);
    volatile size_t huge = (size_t)1 << 60;
    if (::operator new(huge, std::nothrow) != nullptr) abort();
}

//sum aligned 200/153600
APART aligned() {
    for (int i = 0; i < 100; i++) {
        delete new Aligned;
        ::operator delete(::operator new(1024, std::align_val_t(64)), 1024, std::align_val_t(64));
    }
}

// Blocks go back when the constructor throws.
//sum in_vain 50/30000
APART in_vain() {
    for (int i = 0; i < 50; i++) {
        try {
            delete new Throwing;
        } catch (int) {
        }
    }
}

//sum long_text 1/5001
APART long_text() { std::string text(5000, 'x'); }

int main() {
    one_block();
    doubled();
    single_and_many();
    without_exceptions();
    aligned();
    in_vain();
    long_text();
}
