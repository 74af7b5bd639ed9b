/* io/xxh.h -- XXH3-64 (xxHash inside): tells data apart, at the speed of memory. Not for secrets. */
#pragma once
#include "base/base.h"

uint64_t xxh_of(const void *data, size_t size);
