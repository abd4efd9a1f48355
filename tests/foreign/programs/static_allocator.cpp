// Threads that fill containers, in a program that has an allocator of its own.
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

static size_t work(int seed) {
    std::map<std::string, std::vector<int>> groups;
    for (int number = 0; number < 50000; number++) groups["group " + std::to_string(number % 100 + seed)].push_back(number);
    size_t sum = 0;
    for (const auto &[name, members] : groups) sum += name.size() + members.size();
    return sum;
}

int main() {
    std::vector<size_t> sums(4);
    std::vector<std::thread> threads;
    for (int seed = 0; seed < 4; seed++) threads.emplace_back([&sums, seed] { sums[seed] = work(seed * 1000); });
    for (auto &thread : threads) thread.join();
    for (size_t sum : sums) std::cout << sum << '\n';
}
