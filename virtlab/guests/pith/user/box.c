// box [OPTIONS] PROGRAM [ARGUMENTS]: runs a program in a box of its own.
#include "user.h"

static struct box_settings settings = {
    .root = "/",
    .namespaces = BOX_ALL,
    .limits = {.weight = USUAL_WEIGHT},
};

static int usage(void)
{
    print("box [-name N] [-cpu WEIGHT] [-quota PERCENT] [-memory KIB] [-processes N]\n"
          "    [-share pids,host,files,network,capabilities] [-root DIR] [-layer DIR]\n"
          "    PROGRAM [ARGUMENTS]\n");
    return 2;
}

// The list of what is not its own: words with commas between them.
static bool share(const char *list)
{
    static const struct {
        const char *name;
        uint32_t namespace;
    } words[] = {
        {"pids", BOX_PIDS},       {"host", BOX_HOSTNAME},
        {"files", BOX_FILES},     {"network", BOX_NETWORK},
        {"capabilities", BOX_CAPABILITIES},
    };
    const int n_words = sizeof words / sizeof words[0];

    while (*list) {
        size_t n = 0;
        while (list[n] && list[n] != ',')
            n++;
        int i = 0;
        while (i < n_words && (strlen(words[i].name) != n || strncmp(list, words[i].name, n)))
            i++;
        if (i == n_words)
            return false;
        settings.namespaces &= ~words[i].namespace;
        list += n + (list[n] == ',');
    }
    return true;
}

static bool set_text(char *to, const char *from, size_t size)
{
    if (strlen(from) >= size)
        return false;
    memset(to, 0, size);
    memcpy(to, from, strlen(from));
    return true;
}

static bool set(const char *option, const char *value)
{
    struct box_limits *limits = &settings.limits;

    if (strcmp(option, "-name") == 0)
        return set_text(settings.name, value, sizeof settings.name);
    if (strcmp(option, "-root") == 0)
        return set_text(settings.root, value, sizeof settings.root);
    if (strcmp(option, "-layer") == 0)
        return set_text(settings.layer, value, sizeof settings.layer);
    if (strcmp(option, "-share") == 0)
        return share(value);
    return set_limit(limits, option, value);
}

int main(int argc, char **argv)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i += 2)
        if (i + 1 == argc || !set(argv[i], argv[i + 1]))
            return usage();
    if (i == argc)
        return usage();
    if (settings.name[0] == 0)
        set_text(settings.name, argv[i], sizeof settings.name);
    int result = box(&settings);
    if (result < 0)
        return print_error("box", result);
    return print_error(argv[i], execute(&argv[i]));
}
