#if !defined(_WIN32) && !defined(ZOO_NO_THREADS)
#define ZOO_PTHREADS 1
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif

#include "threads.h"

#include <stddef.h>

static int64_t share(int64_t units, int part, int parts) {
    return units / parts * part + units % parts * part / parts;
}

#ifdef ZOO_PTHREADS

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long to look for the others before going to sleep. Long enough to bridge
 * the gap between two layers; short enough that another process on the same
 * cores loses little. */
#define SPIN_NS 30000

#define ORDER_STEP 2048 /* above ZOO_MAX_THREADS */

typedef struct {
    _Atomic int64_t taken[2]; /* pieces taken of this member's part, even and odd loops */
    int parity;
    char padding[64 - 2 * sizeof(int64_t) - sizeof(int)];
} member;

struct zoo_team {
    int size;
    _Atomic int arrived;
    _Atomic uint64_t phase;
    member *members;
};

static struct {
    pthread_mutex_t busy;  /* held while a section runs */
    pthread_mutex_t mutex; /* guards the rest together with the conditions */
    pthread_cond_t start, barrier;
    _Atomic uint64_t order; /* number of the section * 2048 + size of its team */
    int workers;                 /* threads that exist, the caller not counted */
    zoo_section section;
    void *context;
    zoo_team team;
    member members[ZOO_MAX_THREADS];
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .start = PTHREAD_COND_INITIALIZER,
          .barrier = PTHREAD_COND_INITIALIZER};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Spin, then sleep, until *value differs from seen. */
static void await_change(_Atomic uint64_t *value, uint64_t seen, pthread_mutex_t *mutex,
                         pthread_cond_t *condition) {
    int64_t limit = now_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(value, memory_order_acquire) != seen)
                return;
            relax();
        }
    } while (now_ns() < limit);
    pthread_mutex_lock(mutex);
    while (atomic_load_explicit(value, memory_order_acquire) == seen)
        pthread_cond_wait(condition, mutex);
    pthread_mutex_unlock(mutex);
}

void zoo_team_barrier(zoo_team *team) {
    /* Once the last one has arrived the caller may change the team for the next
     * section, so a member looks at it only before it arrives; the phase only ever
     * grows. */
    int size = team->size;
    if (size == 1)
        return;
    uint64_t phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) ==
        size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        pthread_mutex_lock(&pool.mutex);
        atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
        pthread_cond_broadcast(&pool.barrier);
        pthread_mutex_unlock(&pool.mutex);
    } else {
        await_change(&team->phase, phase, &pool.mutex, &pool.barrier);
    }
}

typedef struct {
    int worker;
    uint64_t order;
} seat;

static void *work(void *argument) {
    seat own = *(seat *)argument;
    free(argument);
    for (;;) {
        await_change(&pool.order, own.order, &pool.mutex, &pool.start);
        /* A worker beyond the team may come late and miss sections; one of the
         * team cannot, because no section ends without it. */
        own.order = atomic_load_explicit(&pool.order, memory_order_acquire);
        if (own.worker < (int)(own.order % ORDER_STEP)) {
            pool.section(&pool.team, own.worker, pool.context);
            zoo_team_barrier(&pool.team);
        }
    }
    return NULL;
}

/* In a forked child no worker exists and locks may be held by nobody. */
static void forget_workers(void) {
    pthread_mutex_init(&pool.busy, NULL);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.start, NULL);
    pthread_cond_init(&pool.barrier, NULL);
    pool.workers = 0;
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

static void start_workers(int wanted) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's threads */
    while (pool.workers < wanted) {
        pthread_t thread;
        pthread_attr_t attributes;
        seat *own = malloc(sizeof *own);
        if (own == NULL)
            break;
        own->worker = pool.workers + 1;
        own->order = atomic_load(&pool.order);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        int failed = pthread_create(&thread, &attributes, work, own);
        pthread_attr_destroy(&attributes);
        if (failed) {
            free(own);
            break;
        }
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_alone(zoo_section section, void *context) {
    member single;
    memset(&single, 0, sizeof single);
    zoo_team team = {.size = 1, .members = &single};
    section(&team, 0, context);
}

void zoo_parallel(int threads, zoo_section section, void *context) {
    if (threads > ZOO_MAX_THREADS)
        threads = ZOO_MAX_THREADS;
    if (threads <= 1 || pthread_mutex_trylock(&pool.busy) != 0) {
        run_alone(section, context);
        return;
    }
    if (pool.workers < threads - 1)
        start_workers(threads - 1);
    if (threads > pool.workers + 1)
        threads = pool.workers + 1;
    if (threads == 1) {
        pthread_mutex_unlock(&pool.busy);
        run_alone(section, context);
        return;
    }
    memset(pool.members, 0, (size_t)threads * sizeof pool.members[0]);
    pool.section = section;
    pool.context = context;
    pool.team.members = pool.members;
    atomic_store(&pool.team.arrived, 0);
    pthread_mutex_lock(&pool.mutex);
    pool.team.size = threads;
    atomic_store(&pool.order, (pool.order / ORDER_STEP + 1) * ORDER_STEP +
                                  (uint64_t)threads);
    pthread_cond_broadcast(&pool.start);
    pthread_mutex_unlock(&pool.mutex);
    section(&pool.team, 0, context);
    zoo_team_barrier(&pool.team);
    pthread_mutex_unlock(&pool.busy);
}

#else /* one thread */

typedef struct {
    int64_t taken[2];
    int parity;
} member;

struct zoo_team {
    int size;
    member *members;
};

void zoo_team_barrier(zoo_team *team) { (void)team; }

void zoo_parallel(int threads, zoo_section section, void *context) {
    member single = {{0, 0}, 0};
    zoo_team team;
    (void)threads;
    team.size = 1;
    team.members = &single;
    section(&team, 0, context);
}

#define atomic_store_explicit(p, v, order) (*(p) = (v))
#define atomic_fetch_add_explicit(p, v, order) ((*(p) += (v)) - (v))

#endif

int zoo_team_size(const zoo_team *team) { return team->size; }

/* Under ThreadSanitizer nobody helps others: on a busy machine one thread would do all,
 * and races would hide. */
#ifdef __SANITIZE_THREAD__
#define HELPED(size) 1
#else
#define HELPED(size) (size)
#endif

/* Every member owns an equal part and takes pieces of it from the front; who
 * is done helps the others. Between two loops is a barrier, so one loop's
 * counters can be cleared while the next loop's are in use. */
void zoo_team_for(zoo_team *team, int worker, int64_t units, int64_t grain,
                  zoo_body body, void *context) {
    int size = team->size, parity = team->members[worker].parity;
    if (grain < 1)
        grain = 1;
    atomic_store_explicit(&team->members[worker].taken[1 - parity], 0,
                          memory_order_relaxed);
    for (int i = 0; i < HELPED(size); i++) {
        int owner = (worker + i) % size;
        int64_t low = share(units, owner, size), high = share(units, owner + 1, size);
        for (;;) {
            int64_t piece = atomic_fetch_add_explicit(
                &team->members[owner].taken[parity], 1, memory_order_relaxed);
            int64_t begin = low + piece * grain;
            if (begin >= high)
                break;
            body(context, begin, begin + grain < high ? begin + grain : high, worker);
        }
    }
    zoo_team_barrier(team);
    team->members[worker].parity = 1 - parity;
}

typedef struct {
    int64_t units, grain;
    zoo_body body;
    void *context;
} loop;

static void run_loop(zoo_team *team, int worker, void *context) {
    const loop *l = context;
    zoo_team_for(team, worker, l->units, l->grain, l->body, l->context);
}

void zoo_parallel_for(int threads, int64_t units, int64_t grain, zoo_body body,
                      void *context) {
    loop l;
    if (units <= 0)
        return;
    if (threads > units)
        threads = (int)units;
    if (threads <= 1) {
        body(context, 0, units, 0);
        return;
    }
    l.units = units;
    l.grain = grain;
    l.body = body;
    l.context = context;
    zoo_parallel(threads, run_loop, &l);
}
