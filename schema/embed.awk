# Makes a C table of the migrations named on the command line: NNNN_name.sql, in order, without a gap.
BEGIN {
    print "/* Made from the migrations in schema/ by schema/embed.awk. */"
    print "#include \"schema/store_priv.h\"\n"
    print "const struct store_migration store_migrations[] = {"
}
FNR == 1 {
    if (n++) print "    },"
    name = FILENAME; sub(/.*\//, "", name); sub(/\.sql$/, "", name)
    if (substr(name, 1, 4) + 0 != n || name !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+$/) {
        print FILENAME ": migrations are numbered 0001_name.sql, 0002_name.sql, ... without a gap" > "/dev/stderr"
        failed = 1
        exit 1
    }
    printf "    {\n        \"%s\",\n", name
}
{
    gsub(/[\\"]/, "\\\\&")
    print "        \"" $0 "\\n\""
}
END {
    if (failed) exit 1
    print (n ? "    },\n" : "") "};"
    printf "const size_t store_migrations_count = %d;\n", n
}
