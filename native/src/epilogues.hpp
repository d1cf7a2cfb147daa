// Which operands an epilogue of gemm has.
#pragma once

#include "../include/simcse.h"

namespace simcse {

static constexpr bool adds_bias(simcse_epilogue epilogue) {
  return epilogue >= SIMCSE_EPILOGUE_BIAS && epilogue <= SIMCSE_EPILOGUE_BIAS_RESIDUAL;
}

}  // namespace simcse
