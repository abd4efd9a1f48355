// A program into which an allocator is linked statically, which initialises itself before anything else can happen.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

static thread_local void *volatile kept;

__attribute__((noinline)) static void with_new(int size) {
    kept = new char[size];
    delete[] static_cast<char *>(kept);
}

__attribute__((noinline)) static void with_malloc(int size) {
    kept = malloc(size);
    free(kept);
}

int main() {
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; number++)
        threads.emplace_back([] {
            for (int turn = 0; turn < 10000; turn++) {
                with_new(700);
                with_malloc(900);
            }
        });
    for (auto &thread : threads) thread.join();
    kept = new char[30 << 20];
    printf("%d\n", kept != nullptr);
    return 6;
}
