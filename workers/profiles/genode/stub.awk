# stub.awk - the assembly of a stub library, from a list in the form of Genode's lib/symbols: name, type as nm has it, size.
#
# A list of bare names gives functions. U is what the library itself needs of a component, such as main.
/^[ \t]*(#|$)/ { next }
$1 !~ /^[A-Za-z0-9_.$]+$/ || seen[$1]++ { next }
$2 == "U" { print ".data\n.quad " $1; next }
{
    object = $2 ~ /^[DBRV]$/
    print (object ? ".data" : ".text")
    print ($2 ~ /^[WV]$/ ? ".weak " : ".globl ") $1
    print ".type " $1 ", " (object ? "@object" : "@function")
    if (object) print ".size " $1 ", " ($3 ~ /^[0-9]+$/ ? $3 : 8)
    print $1 ":\n.skip " (object && $3 ~ /^[0-9]+$/ ? $3 : 8)
}
