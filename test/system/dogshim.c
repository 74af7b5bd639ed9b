/* dogshim.c -- Loaded into the agent before libc by test_watchdog.py: lets a FIFO pass for a watchdog. What is asked of it by ioctl is answered
   as softdog does, and the seconds that it shall count are written into the FIFO, among the bytes that feed it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    struct stat st;
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (_IOC_TYPE(request) == WATCHDOG_IOCTL_BASE && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
        if (request == WDIOC_GETSUPPORT)
            *(struct watchdog_info *)arg = (struct watchdog_info){.options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE | WDIOF_KEEPALIVEPING};
        else if (request == WDIOC_SETTIMEOUT)
            dprintf(fd, "T%d;", *(int *)arg);
        return 0;
    }
    next = next ? next : (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return next(fd, request, arg);
}
