#!/bin/sh
# abi.sh PRINTED LIBRARY: the layout that was printed is the recorded one, and the library exports its one function.
folder=$(dirname "$0")
version=$(sed -n 's/^SIMCSE_API_VERSION = //p' "$1")
recorded=$folder/abi-$version.txt
status=0
if [ ! -f "$recorded" ]; then
  echo "abi: version $version of simcse.h has no record; once its layout is final: cp $1 $recorded"
  status=1
elif ! diff "$recorded" "$1"; then
  echo "abi: simcse.h is no longer version $version as recorded in $recorded (<) but another (>)."
  echo "     Programs compiled with version $version would break: undo the change, or raise SIMCSE_API_VERSION and"
  echo "     record the new layout beside the old one."
  status=1
fi
exported=$(nm -D --defined-only "$2" | awk '{ print $NF }')
if [ "$exported" != simcse_get_api ]; then
  echo "abi: $2 exports" $exported "instead of simcse_get_api alone"
  status=1
fi
[ $status = 0 ] && echo "abi: version $version as recorded"
exit $status
