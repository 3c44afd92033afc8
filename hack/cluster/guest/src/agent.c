/*
 * The lab's way into a node: commands from the host, run in the node's main namespaces.
 *
 * - It listens in the network namespace `wire`, on a NIC that the main namespace does not have: whatever a policy, a
 *   rollback or a test does to the node's network, this way in stays open as long as the kernel runs.
 * - One connection is one command. The client sends frames, the agent answers with frames:
 *   a frame is a byte for its kind, four bytes of length (big endian), and data.
 *     from the client: A arguments (each with a NUL behind it), T terminal wanted (rows, columns, 16 bits each),
 *                      G go, I input, C end of input
 *     from the agent:  O output, E error output, X exit status (one byte; last frame)
 * - The command is the leader of a session of its own. When the client goes away it gets SIGHUP and SIGTERM.
 * - Output that the command wrote before its end is sent before X; a child that it leaves behind does not hold X up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 65536
#define MAX_ARGUMENTS (1 << 20)

static void die(const char *what) { perror(what); exit(1); }

static int read_all(int fd, void *to, size_t size) {
    for (char *at = to; size;) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        at += n; size -= (size_t)n;
    }
    return 0;
}

static int write_all(int fd, const void *from, size_t size) {
    for (const char *at = from; size;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        at += n; size -= (size_t)n;
    }
    return 0;
}

static int send_frame(int fd, char kind, const void *data, uint32_t size) {
    char head[5] = {kind};
    uint32_t wire = htonl(size);
    memcpy(head + 1, &wire, 4);
    return write_all(fd, head, 5) || write_all(fd, data, size) ? -1 : 0;
}

/* Reads one frame; the caller frees *data. */
static int read_frame(int fd, char *kind, char **data, uint32_t *size) {
    char head[5];
    if (read_all(fd, head, 5)) return -1;
    *kind = head[0];
    memcpy(size, head + 1, 4);
    *size = ntohl(*size);
    if (*size > MAX_ARGUMENTS || !(*data = malloc(*size + 1))) return -1;
    (*data)[*size] = 0;
    if (read_all(fd, *data, *size)) { free(*data); return -1; }
    return 0;
}

static struct winsize window(const char *data) {
    uint16_t rows, columns;
    memcpy(&rows, data, 2); memcpy(&columns, data + 2, 2);
    return (struct winsize){.ws_row = ntohs(rows), .ws_col = ntohs(columns)};
}

struct command { char **argv; int terminal; struct winsize size; };

static int read_command(int fd, struct command *command) {
    char kind, *data;
    uint32_t size;
    memset(command, 0, sizeof *command);
    while (!read_frame(fd, &kind, &data, &size)) {
        if (kind == 'G') { free(data); return command->argv ? 0 : -1; }
        if (kind == 'T' && size >= 4) {
            command->terminal = 1;
            command->size = window(data);
        } else if (kind == 'A') {
            size_t count = 0;
            for (uint32_t i = 0; i < size; i++) count += !data[i];
            command->argv = calloc(count + 1, sizeof(char *));
            char *at = data;
            for (size_t i = 0; i < count; i++, at += strlen(at) + 1) command->argv[i] = at;
            if (!count) return -1;
            continue; /* argv points into data */
        }
        free(data);
    }
    return -1;
}

static void run_child(struct command *command) {
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("LANG", "C.UTF-8", 1);
    if (command->terminal) setenv("TERM", "xterm-256color", 1);
    unsetenv("INVOCATION_ID"); unsetenv("JOURNAL_STREAM"); unsetenv("SYSTEMD_EXEC_PID");
    if (chdir("/root")) perror("/root");
    execvp(command->argv[0], command->argv);
    int status = errno == ENOENT ? 127 : 126;
    fprintf(stderr, "%s: %s\n", command->argv[0], strerror(errno));
    _exit(status);
}

/* Starts the command; sets the fds of its input, output and error output (-1: none). */
static pid_t start(struct command *command, int *in, int *out, int *err) {
    int i[2], o[2], e[2];
    pid_t child;
    if (command->terminal) {
        int terminal;
        if ((child = forkpty(&terminal, 0, 0, &command->size)) < 0) die("forkpty");
        if (!child) run_child(command);
        *in = *out = terminal; *err = -1;
        return child;
    }
    if (pipe2(i, O_CLOEXEC) || pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC)) die("pipe");
    if ((child = fork()) < 0) die("fork");
    if (!child) {
        setsid();
        dup2(i[0], 0); dup2(o[1], 1); dup2(e[1], 2);
        run_child(command);
    }
    close(i[0]); close(o[1]); close(e[1]);
    *in = i[1]; *out = o[0]; *err = e[0];
    return child;
}

static volatile sig_atomic_t ended;
static void on_child(int number) { (void)number; ended = 1; }

/* Sends what is there to read; 1: more may come, 0: end of file or error, -1: the client is gone. */
static int pass(int client, char kind, int fd) {
    static char data[CHUNK];
    ssize_t n = read(fd, data, sizeof data);
    if (n > 0) return send_frame(client, kind, data, (uint32_t)n) ? -1 : 1;
    return n < 0 && (errno == EINTR || errno == EAGAIN) ? 1 : 0;
}

/* What the ended command left in the pipe; bounded, since a child of it may write on for ever. */
static void drain(int client, char kind, int fd) {
    struct pollfd one = {fd, POLLIN, 0};
    for (int rounds = 0; fd >= 0 && rounds < 32; rounds++)
        if (poll(&one, 1, 0) <= 0 || !(one.revents & POLLIN) || pass(client, kind, fd) <= 0) return;
}

static void hang_up(pid_t child) {
    kill(-child, SIGHUP);
    kill(-child, SIGTERM);
    exit(0);
}

struct input { char *data; uint32_t size, done; };

static void serve(int client) {
    struct command command;
    if (read_command(client, &command)) exit(1);
    sigset_t blocked, open;
    sigemptyset(&blocked); sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    signal(SIGCHLD, on_child);
    int in, out, err, terminal = command.terminal, closing = 0;
    sigprocmask(SIG_SETMASK, &open, 0); /* the child must not inherit a blocked SIGCHLD */
    pid_t child = start(&command, &in, &out, &err);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    fcntl(in, F_SETFL, O_NONBLOCK | fcntl(in, F_GETFL));
    struct input pending = {0};
    while (!ended) {
        struct pollfd fds[4] = {
            {pending.data ? -1 : client, POLLIN, 0}, {out, POLLIN, 0}, {err, POLLIN, 0},
            {pending.data ? in : -1, POLLOUT, 0},
        };
        if (ppoll(fds, 4, 0, &open) < 0) continue; /* SIGCHLD arrives only here */
        if (fds[1].revents) { int r = pass(client, 'O', out); if (r < 0) hang_up(child); if (!r) { if (out != in) close(out); out = -1; } }
        if (fds[2].revents) { int r = pass(client, 'E', err); if (r < 0) hang_up(child); if (!r) { close(err); err = -1; } }
        if (fds[0].revents) {
            char kind, *data;
            uint32_t size;
            if (read_frame(client, &kind, &data, &size)) hang_up(child);
            if (kind == 'I' && in >= 0 && size) { pending = (struct input){data, size, 0}; continue; }
            if (kind == 'C' && in >= 0) closing = 1;
            free(data);
        }
        if (pending.data) {
            ssize_t n = write(in, pending.data + pending.done, pending.size - pending.done);
            if (n > 0) pending.done += (uint32_t)n;
            int broken = n < 0 && errno != EAGAIN && errno != EINTR; /* the command reads no more: drop its input */
            if (broken || pending.done == pending.size) { free(pending.data); pending.data = 0; }
            if (broken && !terminal) { close(in); in = -1; }
        }
        if (closing && !pending.data && in >= 0 && !terminal) { close(in); in = -1; closing = 0; }
    }
    int status;
    waitpid(child, &status, 0);
    drain(client, 'O', out);
    drain(client, 'E', err);
    unsigned char code = (unsigned char)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    send_frame(client, 'X', &code, 1);
    shutdown(client, SHUT_WR);
    exit(0);
}

/* A socket stays in the namespace that it was made in; everything else stays outside. */
static int listen_in(const char *namespace, int port) {
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(namespace, O_RDONLY | O_CLOEXEC), on = 1;
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) die(namespace);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (server < 0 || bind(server, (struct sockaddr *)&any, sizeof any) || listen(server, 128)) die("listen");
    if (setns(home, CLONE_NEWNET)) die("home");
    close(home); close(there);
    return server;
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "use: agent NAMESPACE PORT\n"); return 2; }
    int server = listen_in(argv[1], atoi(argv[2])), on = 1;
    signal(SIGCHLD, SIG_IGN); /* handlers are reaped by the kernel */
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept4(server, 0, 0, SOCK_CLOEXEC);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        if (!fork()) { close(server); serve(client); }
        close(client);
    }
}
