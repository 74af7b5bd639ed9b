/* daemon/alerts.h -- What other programs tell: taken in, kept until it must be said again, and answered. */
#pragma once
#include "base/base.h"

struct alerts;
struct daemon;

struct alerts *alerts_open(struct daemon *d);
/* After the replay: listens, where the configuration says so. */
void alerts_begin(struct alerts *alerts);
bool alerts_deaf(const struct alerts *alerts); /* it should listen, and cannot */
void alerts_close(struct alerts *alerts);
