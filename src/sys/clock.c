/* sys/clock.c -- Reading the kernel's clocks, and the arithmetic that makes core time survive a reboot. */
#include "sys/clock.h"

#include <fcntl.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

void clock_boot_id(char *to, size_t size)
{
    char text[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[MAX_OF(n, 0)] = 0;
        close(fd);
    }
    text[strcspn(text, "\n")] = 0;
    str_copy(to, size, text);
}

struct core_clock core_clock_resume(bool same_boot, int64_t last_offset_ms, int64_t last_core_ms, int64_t last_wall_ms,
                                    int64_t boot_now_ms, int64_t wall_now_ms)
{
    /* Core time must never run backwards, whatever was passed in: deadlines and cadences hang from it. */
    int64_t away = MAX_OF(wall_now_ms - last_wall_ms, 0);
    int64_t now = same_boot ? boot_now_ms + last_offset_ms : last_core_ms + away;
    return (struct core_clock){.offset_ms = MAX_OF(now, last_core_ms) - boot_now_ms};
}

int64_t core_now_ms(const struct core_clock *clock)
{
    return clock_boot_ms() + clock->offset_ms;
}
