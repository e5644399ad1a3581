#include "user.h"

int main(int argc, char **argv)
{
    int file = argc > 1 ? open(argv[1], OPEN_READ) : IN;
    int n_lines = 0, n_words = 0, n_bytes = 0;
    bool in_word = false;
    static char buffer[PAGE_SIZE];

    if (file < 0)
        return print_error(argv[1], file);
    for (int n; (n = read(file, buffer, sizeof buffer)) > 0; n_bytes += n)
        for (int i = 0; i < n; i++) {
            bool space = buffer[i] == ' ' || buffer[i] == '\n' || buffer[i] == '\t';
            n_lines += buffer[i] == '\n';
            n_words += !space && !in_word;
            in_word = !space;
        }
    print("%d %d %d\n", n_lines, n_words, n_bytes);
    return 0;
}
