// Allocates through the standard library of C++. What the function of a line marked `//= N` gets there, at least, is N
// bytes; nothing else of the program allocates.
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#define APART __attribute__((noinline)) static void

template <class Value>
static void keep(Value &value) {
    asm volatile("" : : "r"(&value) : "memory");
}

// An allocator with a function of its own between the library and the system.
template <class Value>
struct Pool {
    using value_type = Value;
    Pool() = default;
    template <class Other>
    Pool(const Pool<Other> &) {}
    __attribute__((noinline)) Value *get(std::size_t count) {
        Value *block = static_cast<Value *>(::operator new(count * sizeof(Value)));
        keep(block);
        return block;
    }
    Value *allocate(std::size_t count) {
        Value *block = get(count);
        keep(block);
        return block;
    }
    void deallocate(Value *block, std::size_t) { ::operator delete(block); }
};

APART push(std::vector<long> &numbers) {
    for (long number = 0; number < 1000; number++) {
        numbers.push_back(number); //= 8000
    }
}

APART reserve() {
    std::vector<char> bytes;
    bytes.reserve(1001); //= 1001
    keep(bytes);
}

struct Large {
    char bytes[2002];
};

APART unique() {
    auto large = std::make_unique<Large>(); //= 2002
    keep(large);
}

APART shared() {
    auto large = std::make_shared<Large>(); //= 2002
    keep(large);
}

APART tree(std::map<long, long> &map) {
    for (long number = 0; number < 1000; number++) {
        map[number] = number; //= 16000
    }
}

APART hash_map(std::unordered_map<long, long> &map) {
    for (long number = 0; number < 1000; number++) {
        map[number] = number; //= 16000
    }
}

APART string(std::string &text) {
    for (int i = 0; i < 1000; i++) {
        text += "abc"; //= 3000
    }
}

APART function() {
    char bytes[3003] = {1};
    std::function<int()> first = [bytes] { return bytes[0]; }; //= 3003
    keep(first);
}

APART pooled(std::vector<long, Pool<long>> &numbers) {
    numbers.resize(500); //= 4000
    keep(numbers);
}

APART array() {
    char *bytes = new char[4004]; //= 4004
    keep(bytes);
    delete[] bytes;
}

APART called_back() {
    std::function<void(int)> each = [](int size) {
        std::list<int> list(size); //= 2400
        keep(list);
    };
    each(100);
    keep(each);
}

APART thread() {
    auto work = [] {
        std::vector<char> bytes(5005); //= 5005
        keep(bytes);
    };
    std::thread other(work); //= 1
    other.join();
}

int main(int count, char **) {
    if (count > 1) {
        return 0;
    }
    std::vector<long> numbers;
    push(numbers);
    reserve();
    unique();
    shared();
    std::map<long, long> ordered;
    tree(ordered);
    std::unordered_map<long, long> hashed;
    hash_map(hashed);
    std::string text;
    string(text);
    function();
    std::vector<long, Pool<long>> pool;
    pooled(pool);
    array();
    called_back();
    thread();
    return 0;
}
