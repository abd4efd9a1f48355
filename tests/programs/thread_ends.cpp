// Threads that allocate and give back while they end: in the destructors of their thread-local objects and keys, in
// clean-up handlers, after their own function has returned. The comment at a line says what its call counts as. No
// function but this file's calls valloc and memalign.
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 5, LATEST = 4 };

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s\n", __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

static void join_all(void *(*function)(void *)) {
    pthread_t threads[THREADS];
    for (pthread_t &thread : threads) REQUIRE(pthread_create(&thread, nullptr, function, nullptr) == 0);
    for (pthread_t thread : threads) REQUIRE(pthread_join(thread, nullptr) == 0);
}

// Keys: the C library calls their destructors up to four times, as long as they set values.

struct Value {
    int round;
    void *block;
};
static pthread_key_t keys[3];

static void destructor(void *argument) {
    Value *value = static_cast<Value *>(argument);
    free(value->block);
    value->block = valloc(1000 + value->round); //#= destructor(void*) valloc total 60/60150 peak 15/15060 leaks 15/15060
    value->round++;
    for (pthread_key_t key : keys) {
        if (pthread_getspecific(key) == nullptr && value->round <= LATEST) {
            REQUIRE(pthread_setspecific(key, value) == 0);
            break;
        }
    }
}

static Value values[THREADS][3];
static int next_values;

static void *with_keys(void *) {
    Value *own = values[__atomic_fetch_add(&next_values, 1, __ATOMIC_RELAXED)];
    for (int i = 0; i < 3; i++) {
        own[i].round = 1;
        own[i].block = valloc(999); //#= with_keys(void*) valloc total 15/14985
        REQUIRE(pthread_setspecific(keys[i], &own[i]) == 0);
    }
    return nullptr;
}

// Only the destructor allocates: the thread's first event is one of its last.
static pthread_key_t late_key;
static void late_destructor(void *) {
    free(memalign(64, 501)); //#= late_destructor(void*) memalign total 6/3006
    if (memalign(64, 502) == nullptr) abort(); //#= late_destructor(void*) memalign total 6/3012 peak 6/3012 leaks 6/3012
}
static void *with_a_late_key(void *) {
    REQUIRE(pthread_setspecific(late_key, &late_key) == 0);
    return nullptr;
}

// Objects of C++: they end before the keys.

struct Owner {
    void *block;
    Owner() : block(memalign(32, 2001)) {} //#= Owner::Owner() memalign total 5/10005
    ~Owner() {
        void *other = memalign(32, 2002); //#= Owner::~Owner() memalign total 5/10010
        free(block);
        free(other);
        REQUIRE(memalign(32, 2003) != nullptr); //#= Owner::~Owner() memalign total 5/10015 peak 5/10015 leaks 5/10015
    }
};
static thread_local Owner owner;

// The compiler makes it when it is first used, and ends it after what was made later.
struct Later {
    char *bytes;
    Later() : bytes(new char[70001]) {} //#= Later::Later() malloc total 5/350005
    ~Later() { delete[] bytes; }
};

static void *with_objects(void *) {
    static thread_local Later later;
    later.bytes[0] = 'x';
    *static_cast<char *>(owner.block) = 'x';
    return nullptr;
}

// Threads that do not return from their function.

static void clean_up(void *block) {
    free(block);
    free(memalign(16, 3001)); //#= clean_up(void*) memalign total 10/30010
}
static void *that_exits(void *) {
    pthread_cleanup_push(clean_up, memalign(16, 3002)); //#= that_exits(void*) memalign total 5/15010
    pthread_exit(nullptr);
    pthread_cleanup_pop(0);
    return nullptr;
}
static void *that_is_cancelled(void *) {
    pthread_cleanup_push(clean_up, memalign(16, 3003)); //#= that_is_cancelled(void*) memalign total 5/15015
    for (;;) pause();
    pthread_cleanup_pop(0);
    return nullptr;
}
static void cancelled(void) {
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, nullptr, that_is_cancelled, nullptr) == 0);
        usleep(1000);
        REQUIRE(pthread_cancel(thread) == 0 && pthread_join(thread, nullptr) == 0);
    }
}

// Blocks that outlive their thread, or change hands.

static void *that_leaves_a_block(void *) {
    return valloc(4001); //#= that_leaves_a_block(void*) valloc total 5/20005
}
static void *that_takes_a_block(void *block) {
    free(block);
    return nullptr;
}
static void passed_on(void) {
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        void *block;
        REQUIRE(pthread_create(&thread, nullptr, that_leaves_a_block, nullptr) == 0);
        REQUIRE(pthread_join(thread, &block) == 0);
        free(block);
        block = valloc(4002); //#= passed_on() valloc total 5/20010
        REQUIRE(pthread_create(&thread, nullptr, that_takes_a_block, block) == 0);
        REQUIRE(pthread_join(thread, nullptr) == 0);
    }
}

// Nobody waits for these.
static int detached_threads;
static void *that_is_detached(void *) {
    pthread_detach(pthread_self());
    free(valloc(5001)); //#= that_is_detached(void*) valloc total 5/25005
    REQUIRE(valloc(5002) != nullptr); //#= that_is_detached(void*) valloc total 5/25010 peak 5/25010 leaks 5/25010
    __atomic_fetch_add(&detached_threads, 1, __ATOMIC_RELEASE);
    return nullptr;
}
static void detached(void) {
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, nullptr, that_is_detached, nullptr) == 0);
    }
    while (__atomic_load_n(&detached_threads, __ATOMIC_ACQUIRE) < THREADS) usleep(1000);
}

// The main thread ends like the others, while this one still runs.
static void *after_main(void *main_thread) {
    REQUIRE(pthread_join(*static_cast<pthread_t *>(main_thread), nullptr) == 0);
    REQUIRE(valloc(6001) != nullptr); //#= after_main(void*) valloc total 1/6001 peak 1/6001 leaks 1/6001
    free(valloc(1 << 28)); //#= after_main(void*) valloc total 1/268435456 peak 1/268435456
    exit(0);
}

int main() {
    for (pthread_key_t &key : keys) REQUIRE(pthread_key_create(&key, destructor) == 0);
    REQUIRE(pthread_key_create(&late_key, late_destructor) == 0);
    join_all(with_keys);
    join_all(with_a_late_key);
    join_all(with_objects);
    join_all(that_exits);
    cancelled();
    passed_on();
    detached();
    static pthread_t main_thread = pthread_self();
    pthread_t last;
    REQUIRE(pthread_create(&last, nullptr, after_main, &main_thread) == 0);
    REQUIRE(pthread_setspecific(late_key, &late_key) == 0);
    pthread_exit(nullptr);
}
