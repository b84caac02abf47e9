#!/bin/sh
echo "the wrapper ran" >&2
exit 1
