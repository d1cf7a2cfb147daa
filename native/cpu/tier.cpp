// The operations of one tier in one table.
#include "../src/operation_list.hpp"
#include "operations.hpp"

namespace simcse::cpu::SIMCSE_TIER {

#define SIMCSE_STRING(name) #name
#define SIMCSE_NAME(name) SIMCSE_STRING(name)
#define SIMCSE_DECLARE(name) void name(Context &, const simcse_##name &);
#define SIMCSE_LIST(name) name,

SIMCSE_OPERATIONS(SIMCSE_DECLARE)

const Operations operations = {SIMCSE_NAME(SIMCSE_TIER), SIMCSE_OPERATIONS(SIMCSE_LIST)};

}  // namespace simcse::cpu::SIMCSE_TIER
