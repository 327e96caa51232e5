/* Servidor de eco em C, o mais simples que usa epoll: a régua do benchmark.
 *
 * Uma thread, disparo por nível, um recv e um send para cada socket pronto.
 * Escreve a porta na saída padrão e termina quando a entrada padrão fecha:
 * se o benchmark morre, ele morre junto. O que não coube em um send não é
 * guardado: essa conexão é fechada.
 *
 * Fonte: epoll(7).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1024, EVENTS = 1024, BACKLOG = 1024 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0) fail("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void echo(int fd) {
    char buffer[BUFFER];
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || send(fd, buffer, n, MSG_NOSIGNAL) != n) close(fd);
}

int main(void) {
    struct epoll_event events[EVENTS];
    int listener = listen_on_loopback(), epoll = epoll_create1(0);
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO) return 0;
            if (fd != listener) {
                echo(fd);
                continue;
            }
            int conn = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (conn >= 0) watch(epoll, conn);
        }
    }
}
