#!/bin/sh
# check_symbols.sh FOLDER TIER...: the objects in FOLDER/TIER define nothing outside simcse::cpu::TIER. The linker keeps
# one copy of a weak symbol that several objects have, and that copy could be one with instructions of another tier.
folder=$1
shift
status=0
for tier in "$@"; do
  for object in "$folder/$tier"/*.o; do
    # DW.ref.__gxx_personality_v0 is a pointer of the exception tables, not code.
    foreign=$(nm --defined-only "$object" |
      awk -v own="N[KO]*6simcse3cpu${#tier}$tier" '
        $2 ~ /^[A-Zuvw]$/ && $3 !~ "^_Z[A-Z]*" own && $3 !~ /^(DW\.ref|__odr_asan)\./ { print $3 }' | c++filt)
    if [ -n "$foreign" ]; then
      echo "symbols: $object defines outside simcse::cpu::$tier:"
      echo "$foreign" | sed 's/^/  /'
      status=1
    fi
  done
done
[ $status = 0 ] && echo "symbols: every tier keeps to its namespace"
exit $status
