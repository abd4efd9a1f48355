// Allocates before main and after it: in constructors, in exit handlers, in the destructors of static objects, in what
// libraries do when they are unloaded. The comment at a line says what its call counts as. Nobody else calls memalign.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s\n", __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

#ifdef LIBRARY

static void *from_constructor;

__attribute__((constructor)) static void library_constructor() {
    from_constructor = memalign(16, 101); //#= library_constructor() memalign total 2/202 peak 1/101
}

__attribute__((destructor)) static void library_destructor() {
    free(from_constructor);
    REQUIRE(memalign(16, 102) != nullptr); //#= library_destructor() memalign total 2/204 peak 1/102 leaks 2/204
}

struct LibraryObject {
    void *block;
    LibraryObject() : block(memalign(16, 103)) {} //#= LibraryObject::LibraryObject() memalign total 2/206 peak 1/103
    ~LibraryObject() {
        free(block);
        REQUIRE(memalign(16, 104) != nullptr); //#= LibraryObject::~LibraryObject() memalign total 2/208 peak 1/104 leaks 2/208
    }
};
static LibraryObject library_object;

static void library_at_exit() {
    REQUIRE(memalign(16, 105) != nullptr); //#= library_at_exit() memalign total 1/105 leaks 1/105
}

extern "C" void library_registers() { REQUIRE(atexit(library_at_exit) == 0); }

#else

struct Object {
    void *block;
    Object() : block(memalign(16, 202)) {} //#= Object::Object() memalign total 1/202 peak 1/202
    ~Object() {
        free(block);
        void *kept = memalign(16, 203); //#= Object::~Object() memalign total 1/203
        REQUIRE(kept != nullptr);
        free(kept);
        REQUIRE(memalign(16, 204) != nullptr); //#= Object::~Object() memalign total 1/204 leaks 1/204
    }
};
static Object object;

static Object &made_when_used() {
    struct Late {
        void *block;
        Late() : block(memalign(16, 205)) {} //#= made_when_used()::Late::Late() memalign total 1/205 peak 1/205
        ~Late() { free(block); }
    };
    static Late late;
    return object;
}

static void at_exit_one() {
    REQUIRE(memalign(16, 206) != nullptr); //#= at_exit_one() memalign total 1/206 leaks 1/206
}
static void at_exit_two() {
    REQUIRE(memalign(16, 207) != nullptr); //#= at_exit_two() memalign total 1/207 leaks 1/207
    REQUIRE(atexit(at_exit_one) == 0);
}
static void on_exit_with(int status, void *block) {
    REQUIRE(status == 3);
    free(block);
}
static void at_quick_exit_only() {
    REQUIRE(memalign(16, 208) != nullptr); //#= at_quick_exit_only() memalign
}
__attribute__((destructor)) static void destructor() {
    REQUIRE(memalign(16, 209) != nullptr); //#= destructor() memalign total 1/209 leaks 1/209
}

int main(int, char **arguments) {
    // One library stays until the end, a copy of it does not. This line loads both.
    for (int i = 1; i <= 2; i++) {
        void *library = dlopen(arguments[i], RTLD_NOW);
        REQUIRE(library != nullptr);
        if (i == 1) {
            REQUIRE(dlclose(library) == 0);
        } else {
            void *registers = dlsym(library, "library_registers");
            REQUIRE(registers != nullptr);
            reinterpret_cast<void (*)()>(registers)();
        }
    }
    made_when_used();
    REQUIRE(atexit(at_exit_two) == 0 && at_quick_exit(at_quick_exit_only) == 0);
    void *block = memalign(16, 210); //#= main memalign total 1/210 peak 1/210
    REQUIRE(on_exit(on_exit_with, block) == 0);
    free(memalign(16, 1 << 28)); //#= main memalign total 1/268435456 peak 1/268435456
    return 3;
}

#endif
