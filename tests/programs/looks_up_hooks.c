/* Prints what memprof's library exports, and compares it with what is found in the C library and in libgcc: whoever asks
   these for a function that has a hook must get the hook. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct link_map *interposer(void) {
    struct link_map *module = NULL;
    dlinfo(dlopen(NULL, RTLD_LAZY), RTLD_DI_LINKMAP, &module);
    while (module != NULL && strstr(module->l_name, "memprof_interposer") == NULL) module = module->l_next;
    return module;
}

static const void *entry(const struct link_map *module, ElfW(Sxword) tag) {
    const ElfW(Dyn) *at = module->l_ld;
    while (at->d_tag != DT_NULL && at->d_tag != tag) at++;
    return (const void *)at->d_un.d_ptr;
}

int main(void) {
    const struct link_map *module = interposer();
    if (module == NULL) return 3;
    void *libraries[] = {dlopen("libc.so.6", RTLD_LAZY), dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_GLOBAL)};
    const ElfW(Sym) *symbols = entry(module, DT_SYMTAB);
    const char *names = entry(module, DT_STRTAB);
    /* The table by which the loader finds what is exported: buckets, each of which begins a run of symbols. */
    const uint32_t *hash = entry(module, DT_GNU_HASH);
    if (hash == NULL) return 4;
    const uint32_t *buckets = (const uint32_t *)((const ElfW(Addr) *)(hash + 4) + hash[2]), *chains = buckets + hash[0];
    int wrong = 0;
    for (uint32_t bucket = 0; bucket < hash[0]; bucket++) {
        for (uint32_t at = buckets[bucket]; at != 0; at = chains[at - hash[1]] & 1 ? 0 : at + 1) {
            const char *name = names + symbols[at].st_name;
            const void *hook = (const void *)(module->l_addr + symbols[at].st_value);
            printf("%s", name);
            for (int i = 0; i < 2; i++) {
                const void *found = dlsym(libraries[i], name);
                if (found != NULL) printf(" %s", found == hook ? "hook" : "other");
                wrong += found != NULL && found != hook;
            }
            printf("\n");
        }
    }
    return wrong != 0;
}
