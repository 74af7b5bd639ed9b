/* base/base.h -- What every file stands on: memory, strings, errors, vectors, time values. Touches nothing else of ours. */
#pragma once
#include "base/arena.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/eta.h"
#include "base/str.h"
#include "base/timeval.h"
#include "base/util.h"
#include "base/vec.h"
