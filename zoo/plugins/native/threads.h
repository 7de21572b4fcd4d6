/* A pool of threads that stay, and the loops that they share.
 *
 * zoo_parallel runs one function on a team; inside, the members meet at
 * barriers and share loops. A loop is cut into units whose results do not
 * depend on who computes them, so results are the same for every thread count.
 */
#ifndef ZOO_THREADS_H
#define ZOO_THREADS_H

#include <stdint.h>

#define ZOO_MAX_THREADS 1024

typedef struct zoo_team zoo_team;

typedef void (*zoo_section)(zoo_team *team, int worker, void *context);
typedef void (*zoo_body)(void *context, int64_t begin, int64_t end, int worker);

/* Run section on up to `threads` threads, the caller being worker 0. Returns
 * when all are done. If the pool is in use (by another thread of this program,
 * or because the caller is inside a section) the team is the caller alone. */
void zoo_parallel(int threads, zoo_section section, void *context);

int zoo_team_size(const zoo_team *team);

/* Wait for all members. */
void zoo_team_barrier(zoo_team *team);

/* Share the loop over [0, units) in pieces of `grain`; every member must call
 * this with the same arguments. Ends with a barrier. */
void zoo_team_for(zoo_team *team, int worker, int64_t units, int64_t grain,
                  zoo_body body, void *context);

/* zoo_parallel and zoo_team_for in one. */
void zoo_parallel_for(int threads, int64_t units, int64_t grain, zoo_body body,
                      void *context);

#endif
