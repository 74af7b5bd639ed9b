/* io/deflate_small.h -- Raw deflate data as small as it gets at a bearable speed (libdeflate inside). Used by io/deflate. */
#pragma once
#include "base/base.h"

struct smaller;
struct smaller *smaller_open(void);
void smaller_close(struct smaller **smaller);
size_t smaller_bound(struct smaller *smaller, size_t size); /* the most that `size` bytes may become */
size_t smaller_pack(struct smaller *smaller, const void *data, size_t size, void *to, size_t room); /* 0: does not fit */
