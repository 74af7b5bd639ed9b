/* act/endpoint.h -- One request to an endpoint of the service, and whether its answer is the one that is wanted. */
#pragma once
#include "act/action.h"
#include "io/http.h"

/* False with the reason when there is no answer, or not the wanted one; ret->status is set whenever there was one. */
MUST_USE bool endpoint_fetch(const struct action_ctx *ctx, const char *base, const struct endpoint *endpoint, struct http_response *ret,
                             struct err *err);
