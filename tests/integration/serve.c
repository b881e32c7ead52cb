/* The smallest thing that gets ready: it answers "ok" to whatever it is asked on port 8080. */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void leave(int signal) { (void)signal; _exit(0); }

int main(void) {
    static const char ok[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(8080)};
    char asked[4096];
    int server = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGTERM, leave);
    if (bind(server, (struct sockaddr *)&here, sizeof here) || listen(server, 16)) return 1;
    for (;;) {
        int client = accept(server, 0, 0);
        if (client < 0) continue;
        if (read(client, asked, sizeof asked) > 0 && write(client, ok, sizeof ok - 1) < 0) return 1;
        close(client);
    }
}
