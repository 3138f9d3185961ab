#include "tcu_api.h"
