/* sys/clock.h -- The clocks: one that counts suspend for deadlines, the wall for people, and the core time that survives reboots. */
#pragma once
#include "base/base.h"

int64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: never goes back within a boot, counts suspend */
int64_t clock_wall_ms(void); /* may jump; for people and file names only */
void clock_boot_id(char *to, size_t size); /* of the running kernel; "" when unknown */

/* Core time: boot time plus an offset chosen so that it continues where the journal ended. Within one boot the offset is that of
   the last run, so a wall clock set back changes nothing. After a reboot the wall's advance stands in for it, never less than 0. */
struct core_clock {
    int64_t offset_ms;
};
struct core_clock core_clock_resume(bool same_boot, int64_t last_offset_ms, int64_t last_core_ms, int64_t last_wall_ms,
                                    int64_t boot_now_ms, int64_t wall_now_ms);
int64_t core_now_ms(const struct core_clock *clock);
