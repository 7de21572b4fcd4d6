/* The names of codes.h, for the binding. */
#include "codes.h"

#include <stddef.h>

#define NAME(NUMBER, name) #name,
const char *const zoo_activation_names[] = {ZOO_ACTIVATION_LIST(NAME) NULL};
const char *const zoo_algorithm_names[] = {ZOO_ALGORITHM_LIST(NAME) NULL};
const char *const zoo_pad_names[] = {ZOO_PAD_LIST(NAME) NULL};
const char *const zoo_pixel_names[] = {ZOO_PIXEL_LIST(NAME) NULL};
const char *const zoo_level_names[] = {ZOO_LEVEL_LIST(NAME) NULL};
