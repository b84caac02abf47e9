/* test_symbol.c - names of symbols: legacy, v0, C++, plain, demangled already, and names that were made to hurt. */
#include "inspect/symbol.h"

#include "inspect/symbol_v0.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The name at its exact size, so that the sanitizers see a step beyond its end. */
static void crate_is(const char *name, size_t len, const char *want)
{
    AUTO(char_p) char *exact = malloc(len ? len : 1);
    size_t got_len = 0;

    assert_non_null(exact);
    memcpy(exact, name, len);
    const char *got = symbol_crate(exact, len, &got_len);
    if (got_len != strlen(want) || memcmp(got, want, got_len) != 0)
        fail_msg("%s is of %.*s, not of %s", name, (int)got_len, got, want);
}

static void text_is(const char *name, const char *want)
{
    AUTO(buf) struct buf text = {0};

    symbol_text(name, strlen(name), &text);
    assert_string_equal(text.p, want);
}

#define HASH "17h0123456789abcdefE"

static void test_crates(void **state)
{
    static const struct {
        const char *name, *crate;
    } cases[] = {
        /* legacy */
        {"_ZN4core3fmt9Formatter3pad" HASH, "core"},
        {"_ZN4core3fmt9Formatter3pad" HASH ".llvm.123456", "core"},
        {"_ZN7smelter3ore4melt28_$u7b$$u7b$closure$u7d$$u7d$" HASH, "smelter"},
        {"_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str" HASH, "alloc"},
        {"_ZN50_$LT$$RF$mut$u20$W$u20$as$u20$core..fmt..Write$GT$10write_char" HASH, "core"},
        {"_ZN52_$LT$$RF$smelter..Ore$u20$as$u20$core..fmt..Debug$GT$3fmt" HASH, "smelter"},
        {"_ZN44_$LT$$LP$A$C$B$RP$$u20$as$u20$smelter..Sum$GT$3sum" HASH, "smelter"},
        {"_ZN4core3fmt3num52_$LT$impl$u20$core..fmt..Debug$u20$for$u20$usize$GT$3fmt" HASH, "core"},
        {"_ZN9libunwind5Thing3runEv", "(C++)"},
        {"_ZTVN10__cxxabiv117__class_type_infoE", "(C++)"},
        {"_ZN4core3fmt9Formatter3pad17h0123456789abcdezE", "(C++)"},
        {"_ZN" HASH, "(unnamed)"},
        {"_ZN99core" HASH, "(unnamed)"},
        /* v0: of an impl the crate that holds it */
        {"_RNvNtCs1234_7smelter3ore4melt", "smelter"},
        {"_RNvC7smelter4melt", "smelter"},
        {"_RNvNtCs1234_7smelter3ore4melt.llvm.99", "smelter"},
        {"_RNvXs_Cs1234_7smelterNtNtCs5678_5alloc6string6StringNtB4_3Sum3sum", "smelter"},
        {"_RNvMs_NtCs1234_7smelter3oreNtB4_3Ore4melt", "smelter"},
        {"_RINvNtCs5678_4core3ptr13drop_in_placeNtCs1234_7smelter3OreEB4_", "core"},
        {"_RNCNvCs1234_7smelter4main0B3_", "smelter"},
        {"_RNvYNtCs1234_7smelter3OreNtNtCs5678_4core3fmt5Write9write_fmtB4_", "smelter"},
        {"_RNvYShNtCs1234_7smelter3Sum5twiceB4_", "smelter"},
        {"_RNvYRL0_Ahj10_NtCs1234_7smelter3Sum5twiceB4_", "smelter"},
        {"_RNvYThtENtCs1234_7smelter3Sum5twiceB4_", "smelter"},
        {"_RNvYDG_NtCs1234_7smelter3SumEL_NtB4_3Sum5twiceB4_", "smelter"},
        {"_RNvYFUKCENtCs1234_7smelter3OreNtB4_3Sum5twice", "smelter"},
        {"_RNvCs1234_7___rustc12___rust_alloc", "(compiler)"},
        {"_RNvCs1234_8___hidden4melt", "__hidden"},
        {"_R0NvC7smelter4melt", "smelter"},
        /* plain names */
        {"memcpy", "(C symbols)"},
        {"", "(unnamed)"},
        {"anon.0123456789abcdef.3", "(compiler)"},
        /* demangled by somebody else */
        {"smelter::ore::melt", "smelter"},
        {"core::fmt::Formatter::pad::h0123456789abcdef", "core"},
        {"<alloc::string::String as core::fmt::Write>::write_str", "alloc"},
        {"<&mut T as core::fmt::Write>::write_str", "core"},
        {"<(A, B) as smelter::Sum>::sum", "smelter"},
        {"_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$::write_str::h0123456789abcdef", "alloc"},
        {"std::__1::vector<int>::push_back(int const&)", "(C++)"},
        {"::", "(unnamed)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        crate_is(cases[i].name, strlen(cases[i].name), cases[i].crate);
}

static void test_texts(void **state)
{
    (void)state;
    text_is("_ZN4core3fmt9Formatter3pad" HASH, "core::fmt::Formatter::pad");
    text_is("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str" HASH,
            "<alloc::string::String as core::fmt::Write>::write_str");
    text_is("_RNvNtCs1234_7smelter3ore4melt", "smelter::ore::melt");
    text_is("_RNvC7smelteru8gdel_5qa", "smelter::g\xc3\xb6"
                                       "del");
    text_is("_RNvC7smelter", "_RNvC7smelter"); /* cut off */
    text_is("_ZN9libunwind5Thing3runEv", "_ZN9libunwind5Thing3runEv");
    text_is("memcpy", "memcpy");
    text_is("", "");
}

/* Back references that lead to themselves, forwards, far away. */
static void test_back_references(void **state)
{
    static const char *const names[] = {"_RB_",   "_RNvB_3fun",  "_RNvB0_3fun",      "_RNvBzzzzzzzzzzzzzzzzzzzz_3fun",
                                        "_RB",    "_RNvYB1_C1a", "_RBA_C7smelter4x", "_RINvB2_3funB1_E",
                                        "_RNvBZZ"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(buf) struct buf text = {0};
        crate_is(names[i], strlen(names[i]), "(unnamed)");
        symbol_text(names[i], strlen(names[i]), &text);
        assert_string_equal(text.p, names[i]);
    }
}

static void put_number(struct buf *b, size_t n)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (n == 0)
        buf_puts(b, "_");
    else if (n <= 62)
        buf_printf(b, "%c_", digits[n - 1]);
    else
        buf_printf(b, "%c%c_", digits[(n - 1) / 62], digits[(n - 1) % 62]);
}

/* Cut within identifiers in Punycode, for which the library holds memory (the sanitizers see what it loses). */
static void test_cut_punycode(void **state)
{
    AUTO(buf) struct buf name = {0}, text = {0};

    (void)state;
    buf_puts(&name, "_RINvC1a1f");
    for (int i = 0; i < 200; i++)
        buf_puts(&name, "NtC1cu8gdel_5qa"); /* c::g\u00f6del */
    buf_puts(&name, "E");
    symbol_text(name.p, name.len, &text);
    assert_int_equal(text.len, SYMBOL_MAX_TEXT);
    assert_int_equal(strncmp(text.p,
                             "a::f::<c::g\xc3\xb6"
                             "del, ",
                             18),
                     0);
}

/* 2^50 lifetimes, which the library counts where it prints nothing: within an impl's own path. */
static void test_endless_binder(void **state)
{
    static const char *const names[] = {"_RNvXs_IC7smelterFG0000000100_uEuEuNtC4core5Clone5clone",
                                        "_RNvXs_IC7smelterFGaaaaaaaaa_EuEuNtC4core5Clone5clone",
                                        "_RNvMIC7smelterDGaaaaaaaaa_EL_Eu5clone"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        crate_is(names[i], strlen(names[i]), "smelter");
        text_is(names[i], names[i]);
    }
    text_is("_RNvXs_IC7smelterFG0_EuEuNtC4core5Clone5clone", "<() as core::Clone>::clone");
}

/* What is no name of the grammar does not get to the library; what rustc makes does. */
static void test_harmless(void **state)
{
    static const char *const good[] = {
        "NvC7smelter4melt",
        "INvNtC4core3mem8align_ofjdE",
        "NvXs_Cs1234_7smelterNtNtCs5678_5alloc6string6StringNtB4_3Sum3sum",
        "NvYDG_NtCs1234_7smelter3SumEL_NtB4_3Sum5twiceB4_",
        "NvYDNtC4core8Iteratorp4ItemuEL_NtC1a3Sum5twice",
        "INvC1a1bKj7b_Kb1_Kc61_Kanff_KpE",
        "INvC1a1bFUKCRL_hQeEuFK4rustEzE",
        "NCNvC7smelter4main0B3_",
        "NvNCNvC7smelter4main03MIN",
        "NvC7smelter4melt.llvm.123",
        "NvYAhj10_NtC7smelter3Sum5twice",
        "NvC7smelteru8gdel_5qa",
    };
    static const char *const bad[] = {
        "",
        "C",
        "C9a",
        "NvC1a",
        "NvC1a1bx",
        "TuuE",
        "NvB9_1a",
        "INvC1a1bKe616263_E",
        "INvC1a1bT",
        "NvC1a1b C1a",
        "INvC1a1bD1E",
        "NvXs_C1aFG00_EuuC1b1c",
        "C1aC1bC1c",
        "NvC18446744073709551615a1b",
        "NvC1aG_1b",
        "INvC1a1bRLE",
    };
    AUTO(char_p) char *deep = mem_alloc(2001);

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!symbol_v0_harmless(good[i], strlen(good[i])))
            fail_msg("%s was refused", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (symbol_v0_harmless(bad[i], strlen(bad[i])))
            fail_msg("%s was let through", bad[i]);
    memset(deep, 'R', 2000);
    memcpy(deep, "INvC1a1b", 8);
    assert_false(symbol_v0_harmless(deep, 2000));
    for (size_t n = 0; n < strlen(good[2]); n++) {
        AUTO(char_p) char *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, good[2], n);
        symbol_v0_harmless(cut, n); /* no step beyond the end */
    }
}

/* Sixty tuples, each of twice the one before: 2^60 words, were nobody to stop the library. */
static void test_multiplying_name(void **state)
{
    AUTO(buf) struct buf name = {0}, text = {0};
    size_t last = 0;

    (void)state;
    buf_puts(&name, "_RINvC1a1f");
    last = name.len - 2;
    buf_puts(&name, "TuuE");
    for (int i = 0; i < 60; i++) {
        size_t at = name.len - 2;
        buf_puts(&name, "TB");
        put_number(&name, last);
        buf_puts(&name, "B");
        put_number(&name, last);
        buf_puts(&name, "E");
        last = at;
    }
    buf_puts(&name, "E");
    crate_is(name.p, name.len, "a");
    symbol_text(name.p, name.len, &text);
    assert_int_equal(text.len, SYMBOL_MAX_TEXT);
    assert_int_equal(strncmp(text.p, "a::f::<((), ()), (((), ()), ((), ()))", 37), 0);
}

static void test_depth_and_length(void **state)
{
    AUTO(char_p) char *deep = mem_alloc(SYMBOL_MAX_NAME + 2);
    AUTO(buf) struct buf text = {0};

    (void)state;
    memset(deep, 'R', SYMBOL_MAX_NAME + 1);
    memcpy(deep, "_RINvC1a1f", 10);
    crate_is(deep, SYMBOL_MAX_NAME, "a");
    crate_is(deep, SYMBOL_MAX_NAME + 1, "(unnamed)");
    symbol_text(deep, SYMBOL_MAX_NAME, &text); /* the library's own limit of depth */
    assert_int_equal(text.len, SYMBOL_MAX_TEXT);
    memset(deep, 'Y', SYMBOL_MAX_NAME + 1);
    memcpy(deep, "_R", 2);
    crate_is(deep, SYMBOL_MAX_NAME, "(unnamed)");
    /* A legacy name whose type is long; numbers without an end; a suffix that is none. */
    AUTO(buf) struct buf name = {0};
    AUTO(char_p) char *type = mem_alloc(3000);
    memset(type, 'x', 2999);
    buf_printf(&name, "_ZN%zu_$LT$smelter..%s$u20$as$u20$core..fmt..Write$GT$3fmt" HASH, 43 + strlen(type), type);
    crate_is(name.p, name.len, "smelter");
    memset(deep, '1', 2000);
    memcpy(deep, "_RNvCs", 6);
    crate_is(deep, 2000, "(unnamed)");
    memcpy(deep, "_ZN4core3fmt" HASH ".", 34);
    crate_is(deep, 60, "core");
    crate_is(deep, 2000, "(C++)");
    /* A NUL ends no name in wasm. */
    crate_is("core\0::x", 8, "(unnamed)");
    buf_clear(&text);
    symbol_text("a\0b", 3, &text);
    assert_int_equal(text.len, 3);
}

/* Every cut and many changes of a name: the answer is never empty and lies within the name or is a word. */
static void test_mutations(void **state)
{
    static const char *const names[] = {
        "_RNvXs_Cs1234_7smelterNtNtCs5678_5alloc6string6StringNtB4_3Sum3sum",
        "_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str" HASH,
        "<alloc::string::String as core::fmt::Write>::write_str"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        for (size_t n = 0; n <= strlen(names[i]); n++)
            for (int flip = 0; flip < 128; flip++) {
                AUTO(char_p) char *copy = malloc(n ? n : 1);
                AUTO(buf) struct buf text = {0};
                size_t len = 0;
                assert_non_null(copy);
                memcpy(copy, names[i], n);
                if (n > 0)
                    copy[(size_t)flip * 7 % n] ^= (char)flip;
                const char *crate = symbol_crate(copy, n, &len);
                assert_true(len > 0 && len <= SYMBOL_MAX_CRATE);
                assert_true(crate[0] == '(' || (crate >= copy && crate + len <= copy + n));
                symbol_text(copy, n, &text);
                assert_true(text.len <= SYMBOL_MAX_TEXT);
            }
}

static void test_members(void **state)
{
    static const struct {
        const char *name, *crate;
    } cases[] = {
        {"libsmelter.smelter.39919da40b73ea71-cgu.0.rcgu.o", "smelter"},
        {"std-a466aec70b9a9679.std.64480a6fcbd14bbf-cgu.020.rcgu.o", "std"},
        {"libsmelter.4e5f.rcgu.o", "(compiler)"},
        {".rcgu.o", "(other)"},
        {"..-cgu.0.rcgu.o", "(compiler)"},
        {"memcpy.lo", "(other)"},
        {"", "(other)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = 7;
        const char *crate = symbol_member_crate(cases[i].name, strlen(cases[i].name), &len);
        if (!crate)
            crate = "(other)";
        assert_int_equal(len, strlen(cases[i].crate));
        assert_memory_equal(crate, cases[i].crate, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crates),           cmocka_unit_test(test_texts),
        cmocka_unit_test(test_back_references),  cmocka_unit_test(test_multiplying_name),
        cmocka_unit_test(test_depth_and_length), cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_members),          cmocka_unit_test(test_endless_binder),
        cmocka_unit_test(test_harmless),         cmocka_unit_test(test_cut_punycode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
