/* Calls functions of the C library that allocate, and frees what they allocated, ROUNDS times each: nothing may be
   left over of any of them, and nothing freed that was not allocated. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <regex.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wordexp.h>

enum { ROUNDS = 200 };

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "line %d: not %s (%s)\n", __LINE__, #condition, strerror(errno)); \
            _exit(1); \
        } \
    } while (0)

static void strings(void) {
    char *text = strdup("a text of 25 bytes, 0 too");
    free(text);
    text = strndup("a text of 25 bytes, 0 too", 9);
    free(text);
    wchar_t *wide = wcsdup(L"wide");
    free(wide);
    REQUIRE(asprintf(&text, "%d and %s", 5, "a string that is longer than any buffer on the way: %m") > 0);
    free(text);
}

static void paths(void) {
    char *path = realpath("/proc/self/../self/exe", NULL);
    REQUIRE(path != NULL);
    free(path);
    path = getcwd(NULL, 0);
    REQUIRE(path != NULL);
    free(path);
    path = tempnam(NULL, "x");
    free(path);
    struct dirent **entries;
    int count = scandir("/proc/self", &entries, NULL, alphasort);
    REQUIRE(count > 0);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    DIR *folder = opendir("/");
    REQUIRE(folder != NULL && closedir(folder) == 0);
    glob_t found;
    REQUIRE(glob("/proc/self/[a-f]*", 0, NULL, &found) == 0);
    globfree(&found);
    wordexp_t words;
    REQUIRE(wordexp("~ a 'b c' $HOME", &words, WRDE_NOCMD) == 0);
    wordfree(&words);
}

static void streams(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 1000; i++) fprintf(memory, "%d ", i);
    fclose(memory);
    REQUIRE(size > 3000);
    FILE *reading = fmemopen(text, size, "r");
    char *line = NULL;
    size_t room = 0;
    REQUIRE(getline(&line, &room, reading) > 3000);
    fclose(reading);
    reading = fmemopen(text, size, "r");
    while (getdelim(&line, &room, ' ', reading) > 0) continue;
    fclose(reading);
    free(line);
    free(text);
    char *word;
    REQUIRE(sscanf("abc def", "%*s %ms", &word) == 1 && strcmp(word, "def") == 0);
    free(word);
    FILE *file = fopen("/proc/self/maps", "r");
    line = NULL, room = 0;
    while (getline(&line, &room, file) > 0) continue;
    free(line);
    fclose(file);
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void others(void) {
    struct addrinfo *addresses, hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    REQUIRE(getaddrinfo("127.0.0.1", "80", &hints, &addresses) == 0);
    freeaddrinfo(addresses);
    regex_t expression;
    REQUIRE(regcomp(&expression, "^(a|b)*c{2,30}[[:alpha:]]$", REG_EXTENDED) == 0);
    REQUIRE(regexec(&expression, "abacccd", 0, NULL, 0) == 0);
    regfree(&expression);
    static char many[300][1000];
    qsort(many, 300, sizeof *many, compare);
    void *tree = NULL;
    for (int i = 0; i < 50; i++) {
        many[i][0] = (char)i;
        tsearch(many[i], &tree, compare);
    }
    while (tree != NULL) tdelete(*(void **)tree, &tree, compare);
    struct hsearch_data table = {0};
    REQUIRE(hcreate_r(100, &table) != 0);
    hdestroy_r(&table);
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    freelocale(duplocale(locale));
    freelocale(locale);
    REQUIRE(dlopen("/no/such/library", RTLD_LAZY) == NULL && dlerror() != NULL);
    void *library = dlopen("libm.so.6", RTLD_NOW);
    REQUIRE(library != NULL && dlclose(library) == 0);
}

int main(void) {
    for (int i = 0; i < ROUNDS; i++) {
        strings();
        paths();
        streams();
        others();
    }
    return 0;
}
