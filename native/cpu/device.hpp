// The device "cpu", as a table like that of a plug-in: the front has checked all arguments and keeps the handles.
#pragma once

#include "../include/simcse.h"

namespace simcse::cpu {

// Its functions throw Failure, std::bad_alloc and other exceptions of the standard library. last_error and build are
// the front's and missing here.
const simcse_api &backend();

}  // namespace simcse::cpu
