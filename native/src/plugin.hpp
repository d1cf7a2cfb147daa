// Devices that live in a library of their own beside this one, which exports the same table.
#pragma once

#include "../include/simcse.h"

namespace simcse {

// The table of libsimcse_cuda.so in the folder of this library; throws Failure where it is missing or does not fit.
const simcse_api &cuda_plugin();

}  // namespace simcse
