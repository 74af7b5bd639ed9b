/* base/banned.h -- Calls that this project does not make, because each has cost somebody an outage. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef BASCULE_ALLOW_BANNED
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gmtime localtime ctime asctime system popen
#endif
