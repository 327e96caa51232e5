/* Gerador de carga do benchmark: clientes em laço fechado contra 127.0.0.1.
 *
 * Uso: load PORTA CLIENTES BYTES AQUECIMENTO SEGUNDOS PID_DO_SERVIDOR
 *
 * Cada cliente tem uma mensagem em voo: envia, espera o eco inteiro, confere
 * que os bytes são os seus e desta vez, e envia a próxima. Passado o aquecimento,
 * conta por SEGUNDOS, ou até o primeiro eco, se demorar mais, e escreve uma linha com
 * seis números: idas e voltas por segundo, latência p50 e p99 (µs), CPU do servidor por
 * ida e volta (µs) e a fração de um núcleo que o servidor e este gerador usaram.
 *
 * Fontes: epoll(7), clock_getcpuclockid(3).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, MAX_BYTES = 16384, SETUP_SECONDS = 30 };

struct client {
    int fd;
    uint32_t received;
    double sent_at;
    unsigned char *message;
};

struct samples {
    float *latency; /* microssegundos */
    size_t count, capacity;
};

static size_t size;
static unsigned char reply[MAX_BYTES];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) fail("clock_gettime");
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Envia a próxima mensagem: os 8 primeiros bytes são o cliente e a vez, para que
 * um eco trocado ou repetido não passe por certo. */
static void send_next(struct client *c, double at) {
    uint32_t turn;
    memcpy(&turn, c->message + 4, 4);
    turn++;
    memcpy(c->message + 4, &turn, 4);
    c->received = 0;
    c->sent_at = at;
    if (send(c->fd, c->message, size, MSG_NOSIGNAL) != (ssize_t)size) fail("send");
}

/* Lê o que chegou; devolve 1 quando o eco está inteiro. */
static int receive(struct client *c) {
    ssize_t n = recv(c->fd, reply, size - c->received, 0);
    if (n == 0) {
        fprintf(stderr, "load: o servidor fechou a conexão\n");
        exit(1);
    }
    if (n < 0) fail("recv");
    if (memcmp(reply, c->message + c->received, n)) {
        fprintf(stderr, "load: os bytes que voltaram não são os que foram\n");
        exit(1);
    }
    c->received += n;
    return c->received == size;
}

/* Conecta e faz uma ida e volta bloqueante: assim o accept já aconteceu e a fila
 * do listen nunca transborda, por mais clientes que sejam. */
static void connect_client(struct client *c, uint32_t id, int port, int epoll) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->message = malloc(size);
    memset(c->message, 'a' + id % 26, size);
    memcpy(c->message, &id, 4);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    send_next(c, 0);
    while (!receive(c)) {}
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail("epoll_ctl");
}

static void record(struct samples *s, double microseconds) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 1 << 18;
        s->latency = realloc(s->latency, s->capacity * sizeof *s->latency);
        if (!s->latency) fail("realloc");
    }
    s->latency[s->count++] = microseconds;
}

/* Atende os ecos que chegam até o instante `end`, e um ao menos: numa máquina ocupada, o
 * servidor pode passar a janela toda sem a vez. */
static void run_until(double end, int epoll, struct samples *s) {
    struct epoll_event events[EVENTS];
    while (now(CLOCK_MONOTONIC) < end || !s->count) {
        int ready = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (!receive(c)) continue;
            double at = now(CLOCK_MONOTONIC);
            record(s, (at - c->sent_at) * 1e6);
            send_next(c, at);
        }
    }
}

/* Espera o eco que falta, encerra o envio e espera o servidor fechar: a medida seguinte
 * começa com este servidor já quieto. */
static void disconnect(struct client *c) {
    char rest;
    fcntl(c->fd, F_SETFL, 0);
    while (c->received < size) receive(c);
    shutdown(c->fd, SHUT_WR);
    while (recv(c->fd, &rest, 1, 0) > 0) {}
    close(c->fd);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "uso: load PORTA CLIENTES BYTES AQUECIMENTO SEGUNDOS PID_DO_SERVIDOR\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]), epoll = epoll_create1(0);
    size = atoi(argv[3]);
    double warm_up = atof(argv[4]), seconds = atof(argv[5]);
    clockid_t server;
    if (count < 1 || size < 8 || size > MAX_BYTES || clock_getcpuclockid(atoi(argv[6]), &server)) {
        fprintf(stderr, "load: esperava 1 cliente ou mais, de 8 a 16384 bytes, e um servidor vivo\n");
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    alarm(SETUP_SECONDS + (unsigned)(warm_up + seconds)); /* um servidor mudo não prende o benchmark */

    struct client *clients = calloc(count, sizeof *clients);
    struct samples samples = {0};
    for (int i = 0; i < count; i++) connect_client(&clients[i], i, port, epoll);
    for (int i = 0; i < count; i++) send_next(&clients[i], now(CLOCK_MONOTONIC));
    run_until(now(CLOCK_MONOTONIC) + warm_up, epoll, &samples);

    samples.count = 0;
    double start = now(CLOCK_MONOTONIC), server_cpu = now(server), own_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    run_until(start + seconds, epoll, &samples);
    double wall = now(CLOCK_MONOTONIC) - start;
    server_cpu = now(server) - server_cpu;
    own_cpu = now(CLOCK_PROCESS_CPUTIME_ID) - own_cpu;

    for (int i = 0; i < count; i++) disconnect(&clients[i]);

    size_t n = samples.count;
    qsort(samples.latency, n, sizeof *samples.latency, by_value);
    printf("%f %f %f %f %f %f\n", n / wall, samples.latency[n / 2], samples.latency[n * 99 / 100],
           server_cpu / n * 1e6, server_cpu / wall, own_cpu / wall);
    return 0;
}
