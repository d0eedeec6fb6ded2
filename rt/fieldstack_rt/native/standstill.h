/* Whether one axis comes to a stand when it must, as read back from its drive; and what is done if it does not. */
#ifndef FIELDSTACK_STANDSTILL_H
#define FIELDSTACK_STANDSTILL_H

#include <stdint.h>

#include "axis.h"
#include "layout.h"

typedef struct fs_standstill {
    int32_t anchor, last;   /* counts: where it has been still since; as of the last fresh inputs */
    uint32_t still, window; /* cycles in a row with fresh inputs at rest; of those, since `anchor` */
    uint32_t stale;         /* cycles without fresh inputs */
    double speed;           /* counts/s: the greater of what velocity and position tell */
    double mean;            /* of it, over some cycles */
    double speed_at_rung;   /* that mean, as the last rung began */
    uint64_t elapsed_ns;    /* since it must stand and does not; only cycles with fresh inputs count */
    uint64_t bound_ns;      /* its ramp and the margin */
    uint64_t unobeyed_ns;   /* so long it reports power that it was told to give up */
    uint64_t rung_ns;       /* on this rung */
    uint32_t step;          /* rungs of its ladder that were taken; 0: none */
    uint32_t reset_seen;
    uint8_t forced; /* mask: rungs in force until a person's reset */
    uint8_t stand;  /* enum fs_stand */
    uint8_t must, stood, powered, ignores;
} fs_standstill;

enum fs_standstill_news { FS_NEWS_NONE, FS_NEWS_IGNORES, FS_NEWS_RUNG };

/* Takes one cycle's inputs; `fresh`: they came in this cycle. */
void fs_standstill_see(fs_standstill *axis, const fs_axis_config *config, const fs_axis_state *state, int fresh,
                       double dt_s);
/* Judges it: `stop` is the enum fs_stop in force for it. Climbs the ladder when the time is up. */
enum fs_standstill_news fs_standstill_judge(fs_standstill *axis, const fs_axis_config *config, const fs_axis *driven,
                                            uint32_t stop, uint32_t resets, double dt_s);
/* The last rung that was taken: enum fs_rung. */
uint32_t fs_standstill_rung(const fs_standstill *axis, const fs_axis_config *config);
/* Puts what its rungs force in place of the control word; 0: the slave's outputs stay safe, nothing is written. */
int fs_standstill_force(const fs_standstill *axis, fs_axis *driven);
int fs_standstill_runs_on(const fs_standstill *axis);

#endif
