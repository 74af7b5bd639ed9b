/* test/unit/restore/binary_values.c -- The samples of each type, and how they are spoiled. */
#include "restore/binary_values.h"

#include <string.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

#define INTEGERS                                                                                                                           \
    LIST("0", "1", "-1", "-0", "+1", "00", "01", " 1", "1 ", "1.0", "1e3", "", "-", "32767", "32768", "-32768", "-32769", "2147483647",     \
         "2147483648", "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775808",                  \
         "-9223372036854775809", "18446744073709551615", "18446744073709551616", "99999999999999999999", "4294967295", "4294967296", "\\N",  \
         "0x10", "1_000", "NULL")
#define FLOATS                                                                                                                              \
    LIST("0", "-0", "1", "-1", "1.5", "0.1", "-0.1", "1e+20", "1e20", "1E20", "1.7976931348623157e+308", "1.7976931348623159e+308", "1e309",  \
         "5e-324", "4.9406564584124654e-324", "2e-324", "2.2250738585072014e-308", "2.2250738585072011e-308", "NaN", "nan", "Infinity",       \
         "-Infinity", "inf", "+1", ".5", "5.", "1e", "1e+", "0x1p3", "3.4028235e+38", "3.4028236e+38", "1e39", "1e-45", "1e-46",              \
         "1.1754944e-38", "1.1754943e-38", "16777217", "9007199254740993", "9007199254740992", "9007199254740991e22", "123456789012345678901",  \
         "0.000000000000000000000000000001", "1.00000005960464477539", "1.000000059604644775390625", "7.2057594037927933e+16", " 1", "1 ", "",  \
         "\\N", "1e99999", "0e99999", "1e-99999", "12345678.9", "0.30000000000000004", "8.5899345e+09", "1.2345678901234567e-07")
#define NUMERICS                                                                                                                            \
    LIST("0", "-0", "0.0", "0.00", "-0.00", "1", "-1", "1.5", "1.50", "10", "100", "1000", "10000", "100000", "12345678", "123456789", "0.1",   \
         "0.01", "0.001", "0.0001", "0.00001", "0.000010", "9999", "9999.9999", "99999.99999", "100000000.00000001", "00.1", "01", ".5", "5.",  \
         "+1", "1e5", "1E-5", "NaN", "nan", "Infinity", "-Infinity", "inf", "99999.99", "99999.995", "999999.99", "-99999.99", "1.999", "1.005",  \
         "0.000", "0.123", "0.0123", "0.00123", "0.999", "12", "123", "", "\\N", "-", ".", "1.2.3", " 1", "1 ", "0x10", "1_0",                   \
         "123456789012345678901234567890123456789012345678901234567890.123456789012345678901234567890",                                       \
         "0.00000000000000000000000000000000000000000000000000000000000000000000000000000001", "70000", "0.7", "20000000", "1000000000000")
#define DATES                                                                                                                               \
    LIST("2000-01-01", "1999-12-31", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0001-01-01", "0000-01-01", "9999-12-31",        \
         "10000-01-01", "0044-03-15 BC", "infinity", "-infinity", "Infinity", "+infinity", "2024-13-01", "2024-00-01", "2024-04-31",          \
         "2024-01-00", "2024-1-1", "20240101", "01/02/2024", "epoch", "today", "", "\\N", " 2024-01-01", "2024-01-01 ", "2024.01.01",          \
         "0099-01-02", "0010-11-12", "2024-12-32", "5874897-12-31", "1582-10-10", "2100-02-28", "2100-02-29")
#define CLOCKS                                                                                                                              \
    LIST("00:00:00", "23:59:59", "23:59:59.999999", "24:00:00", "24:00:00.000001", "23:59:60", "12:60:00", "12:34:56.7", "12:34:56.70",       \
         "12:34:56.1234567", "12:34", "1:2:3", "allballs", "noon", "", "\\N", "12:34:56.", "12:34:56 PM", "12:34:56.9999999", "25:00:00",     \
         "00:00:00.000001", "123456", "12:34:56.5", "12:34:56.05", "12:34:56.995")
#define CLOCKS_TZ                                                                                                                           \
    LIST("00:00:00+00", "23:59:59.999999-12", "12:34:56+05:30", "12:34:56-05:30", "12:34:56+00:19:32", "12:34:56-00:30", "24:00:00+00",       \
         "12:34:56+15:59:59", "12:34:56+16", "12:34:56-15:59", "12:34:56+1", "12:34:56Z", "12:34:56 UTC", "12:34:56", "\\N", "",                \
         "12:34:56+05:60", "12:34:56+0530", "12:34:56-00", "12:34:56.5+14")
#define MOMENTS                                                                                                                             \
    LIST("2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "2024-02-29 12:34:56.789", "2024-02-29T12:34:56", "0001-01-01 00:00:00",        \
         "9999-12-31 23:59:59.999999", "9999-12-31 24:00:00", "2024-01-01 23:59:60", "2024-01-01 25:00:00", "10000-01-01 00:00:00",           \
         "0044-03-15 00:00:00 BC", "infinity", "-infinity", "Infinity", "epoch", "now", "2024-01-01", "2024-01-01 12:34", "2023-02-29 00:00:00",  \
         "2024-01-01 00:00:00.1234567", "2024-01-01 00:00:00.", "2024-01-01 00:00:00+02", "", "\\N", "2024-01-01  00:00:00",                   \
         "2024-06-15 10:20:30.5", "1970-01-01 00:00:00", "2024-01-01 12:00:00 PM", "2024-06-15 10:20:30.995")
#define MOMENTS_TZ                                                                                                                          \
    LIST("2000-01-01 00:00:00+00", "1999-12-31 23:59:59.999999-11", "2024-02-29 12:34:56.789+05:30", "2024-02-29 12:34:56",                    \
         "2024-02-29 12:34:56Z", "0001-01-01 00:00:00+15", "0001-01-01 00:00:00-15", "9999-12-31 23:59:59.999999-15:59:59", "infinity",        \
         "-infinity", "1850-01-01 00:00:00+00:09:21", "2024-01-01 00:00:00+16", "2024-01-01 00:00:00+15:59", "2024-01-01 00:00:00+1",          \
         "2024-01-01 00:00:00 Europe/Paris", "0001-01-01 00:00:00+00 BC", "2024-01-01 00:00:00+02 ", "\\N", "", "2024-01-01 00:00:00-00",        \
         "2024-01-01 00:00:00-00:30", "2024-01-01 00:00:00+02:60", "2024-03-31 02:30:00+01", "2024-01-01 24:00:00+00", "2024-01-01 00:00:60+00")
#define INTERVALS                                                                                                                           \
    LIST("00:00:00", "1 day", "-1 days", "1 year 2 mons 3 days 04:05:06.789", "-1 years -2 mons +3 days -04:05:06.7", "1 mon", "2 mons",       \
         "-00:00:00.000001", "100:00:00", "2562047788:00:54.775807", "999999999:59:59", "1000000000:00:00", "178000000 years",                 \
         "-178000000 years", "178956970 years 7 mons", "178956970 years 8 mons", "999999999 days", "2147483647 days", "2147483648 days",        \
         "1 day 1 day", "1 day 1 year", "3 days 1", "3", "1-2", "P1Y2M", "@ 1 day", "1 day ago", "1 day ", " 1 day", "", "\\N", "1 week",        \
         "1 years", "1 mons", "-1 year", "+1 day", "00:00", "00:00:60", "00:60:00", "1 day 00:00:00", "infinity", "-infinity", "1 day -00:00:01",  \
         "-1 days +00:00:01", "1.5 days", "1 year 13 mons", "1 hour", "--1 day", "1 day - 00:00:01", "0 years", "1 day 0:00:01", "12:34:56.1234567")
#define TEXTS                                                                                                                               \
    LIST("", "a", "abc", "\\N", "NULL", "\\\\", "\\\\N", "\\t\\n\\r\\b\\f\\v", "\\a", "\\.", "\\x41", "\\101", "\\0", "\\Nx", "x\\N", "\\", "x\\",       \
         "\xc3\xa9t\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe0\xa0\x80",          \
         "\xed\xa0\x80", "\xed\x9f\xbf", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",           \
         "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xc3(", "\xe2\x82", "\xe2\x82\x28", "\x80", "\xff", "\x01\x1f\x7f", "\r", "a\rb",          \
         "0123456789", "01234567890", "0123456789  ", "01234567890\\\\", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",  \
         "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "   ", "x   ",                                \
         "one quite long text that spans more than two pieces of sixteen bytes \\\\ with an escape in it",                                     \
         "\xc3\xa9 at the front and then sixteen and more plain bytes", "\xc3\\n", "\\\xc3\xa9", "ab\\\\cd\xc3\xa9")
#define BYTEAS                                                                                                                              \
    LIST("\\\\x", "\\\\x00", "\\\\xdeadbeef", "\\\\xDEADBEEF", "\\\\xdeadbee", "\\\\xde ad", "\\\\xzz", "\\\\000", "abc", "", "\\N", "\\x41",      \
         "\\\\\\\\", "x00", "\\\\X00", "\\\\x0001020304050607080910111213141516171819202122", "\\\\x0g", "\\\\x:0")
#define UUIDS                                                                                                                               \
    LIST("00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",               \
         "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",                  \
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99+9c0b-4ef8-bb6d-6bb9bd380a11", "\\N", "", "ffffffff-ffff-ffff-ffff-ffffffffffff",       \
         "a0eebc99-9c0b4-ef8-bb6d-6bb9bd380a11")
#define JSONS                                                                                                                               \
    LIST("{}", "[]", "null", "1", "\"x\"", "{\"a\": 1, \"b\": [1, 2.50, null, true]}", "{\"a\":\\\\\"}", "{\"a\":\"\\\\\\\\\\\\\"\"}",          \
         "\"\\\\u0000\"", "\"\\\\ud83d\\\\ude00\"", "\"\\\\ud83d\"", "{", "", "\\N", "1e100000", "1e1000000", "[1,2", "\"\xc3\xa9\"", "{\"b\":1,\"a\":2,\"b\":3}",  \
         " {} ", "nul", "NaN", "\"\\n\"", "[[[[[[1]]]]]]", "-0", "01", "1.0", "\"a\" \"b\"", "{\"a\"}", "{1:2}")
#define ADDRESSES                                                                                                                           \
    LIST("1.2.3.4", "1.2.3.4/24", "1.2.3.4/32", "1.2.3.0/24", "1.2.3.4/0", "0.0.0.0/0", "1.2.3.4/33", "1.2.3", "1.2.3/24", "10/8", "10.0.0.0/8",  \
         "256.1.1.1", "01.2.3.4", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/024", "::", "::1", "::/0", "::1/128", "fe80::1/64", "fe80::/64", "2001:db8::",  \
         "2001:db8::/32", "2001:DB8::/32", "::ffff:1.2.3.4", "::1.2.3.4/128", "::ffff:1.2.3.0/120", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::",  \
         "::2:3:4:5:6:7:8", "1::2::3", "fe80::1%eth0", "::/129", "12345::", ":::", "", "\\N", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4.5", "1.2.3.4/24/24",  \
         "1:2:3:4:5:6:1.2.3.4", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "::ffff:1.2.3.256", "0:0:0:0:0:0:0:0/1")
#define MACS                                                                                                                                \
    LIST("08:00:2b:01:02:03", "08-00-2b-01-02-03", "08002b:010203", "08002B010203", "08:00:2B:01:02:03", "08:00:2b:01:02", "08:00:2b:01:02:0g",  \
         "ff:ff:ff:ff:ff:ff", "0800.2b01.0203", "\\N", "", "8:0:2b:1:2:3", "08:00:2b:01:02:031")
#define INT_ARRAYS                                                                                                                          \
    LIST("{}", "{1}", "{1,2,3}", "{1,NULL,3}", "{null}", "{NuLl,1}", "{\"1\"}", "{ 1}", "{1 }", "{1,}", "{,1}", "{{1,2},{3,4}}", "[2:3]={1,2}",  \
         "{1", "1}", "", "\\N", "{99999999999}", "{-1,0}", "{\"NULL\"}", "{+1}", "{1}}", "{{1}", "{}}", "{1;2}", "{ }", " {}", "{} ", "{-2147483648}")
#define TEXT_ARRAYS                                                                                                                         \
    LIST("{}", "{a}", "{a,b}", "{\"\"}", "{\"a b\",c}", "{\"a\\\\\"b\"}", "{\"\\\\\\\\\"}", "{NULL,\"NULL\"}", "{a b}", "{ a}", "{a }",            \
         "{\"a\\nb\"}", "{\"{\"}", "{a\"b\"}", "{\"a\"b}", "{a\\\\b}", "{\\\\N}", "{\"a}", "{\xc3\xa9,\"\xc3\xa9 \xe2\x82\xac\"}", "{{a},{b}}",      \
         "[0:1]={a,b}", "{\"a\",}", "{\"a\" ,b}", "{\"a\", b}", "{\"\\t\"}", "{a\\tb}", "{a\\vb}", "\\N", "", "{\"\\\\\"}", "{\"1\",null}", "{0123456789,01234567890}",  \
         "{\"\\\\a\"}", "{'}", "{a'}", "{\"a,b\"}", "{\x01}", "{a\x7f}")

static const char *const moods[] = {"sad", "ok", "very happy", "OK", "happy", "", "\\N", "sad ", "it's", "\xc3\xa9mu", "sad\\\\", "NULL", "s", NULL};

#define NUMBERS "0123456789-+.eE_ x"
#define TIMES "0123456789-+:. TBCZ/"
#define HEXES "0123456789abcdefABCDEFgx\\-{} "
#define JSON_LETTERS "{}[]\",:0123456789.-+eEtrufalsn\\ "
#define ARRAY_LETTERS "{},\"\\ NULL01ab-=[]:;"

const struct kind kinds[] = {
    {"bool", "g % 2 = 0", LIST("t", "f", "true", "false", "yes", "1", "0", "T", "", "\\N", "tt", " t", "on"), "tfTF01yn ", false},
    {"int2", "(g * 7919 % 65536 - 32768)::int2", INTEGERS, NUMBERS, false},
    {"int4", "(g * 104729::bigint * 7919 % 4294967296 - 2147483648)::int4", INTEGERS, NUMBERS, false},
    {"int8", "(g::numeric * 6364136223846793005 % 18446744073709551616 - 9223372036854775808)::int8", INTEGERS, NUMBERS, false},
    {"oid", "(g * 104729::bigint * 7919 % 4294967296)::oid", INTEGERS, NUMBERS, false},
    {"float4", "(CASE g % 3 WHEN 0 THEN g / 7.0 WHEN 1 THEN -g * 1e10 / 3 ELSE random() END)::float4", FLOATS, NUMBERS "NaIfinty", false},
    {"float8", "CASE g % 4 WHEN 0 THEN g / 7.0 WHEN 1 THEN exp(g % 700)::float8 WHEN 2 THEN -g / 100.0 ELSE random() * 1e-5 END", FLOATS, NUMBERS "NaIfinty", false},
    {"numeric", "CASE g % 4 WHEN 0 THEN g / 7.0 WHEN 1 THEN round(g * 1.25, 2) WHEN 2 THEN g::numeric ^ 20 ELSE -(10::numeric ^ -(g % 50)) END", NUMERICS, NUMBERS "NaIfinty", false},
    {"numeric(7,2)", "((g % 99999) / 7.0)::numeric(7,2)", NUMERICS, NUMBERS "NaIfinty", false},
    {"numeric(12,2)", "(g * 12345.67)::numeric(12,2)", NUMERICS, NUMBERS, false},
    {"numeric(3,3)", "((g % 999) / 1000.0)::numeric(3,3)", NUMERICS, NUMBERS, false},
    {"numeric(2,4)", "((g % 99) / 10000.0)::numeric(2,4)", NUMERICS, NUMBERS, false},
    {"numeric(5)", "(g % 99999)::numeric(5)", NUMERICS, NUMBERS, false},
    {"date", "'0001-01-01'::date + (g * 7919 % 3652059)", DATES, TIMES, false},
    {"time", "'00:00'::time + g * interval '1.234567 s'", CLOCKS, TIMES, false},
    {"time(2)", "('00:00'::time + g * interval '1.23 s')::time(2)", CLOCKS, TIMES, false},
    {"timetz", "('00:00'::time + g * interval '1.234567 s')::timetz", CLOCKS_TZ, TIMES, false},
    {"timestamp", "'0001-01-01'::timestamp + (g * 7919 % 3652059) * interval '1 day' + g * interval '1.234567 s'", MOMENTS, TIMES, false},
    {"timestamp(1)", "('1901-01-01'::timestamp + g * interval '1 day 1.23 s')::timestamp(1)", MOMENTS, TIMES, false},
    {"timestamptz", "'1801-01-01'::timestamptz + (g * 7919 % 99999) * interval '1 day' + g * interval '1.234567 s'", MOMENTS_TZ, TIMES, false},
    {"interval", "(g % 7 - 3) * interval '1 mon' + (g % 5 - 2) * interval '1 day' + (g % 11 - 5) * interval '7654.321 s'", INTERVALS, TIMES "dayselmontr@", false},
    {"interval(2)", "((g % 7 - 3) * interval '1 day' + g * interval '0.27 s')::interval(2)", INTERVALS, TIMES "dayselmontr@", false},
    {"text", "convert_from(decode(repeat('c3a9', g % 40), 'hex'), 'UTF8') || repeat(chr(9) || chr(10) || chr(92) || 'ab', g % 50) || chr(g % 3000 + 1)", TEXTS, "aZ \\nt\x01\xc3\xa9\xe2\x82\xacN.", false},
    {"name", "left(md5(g::text), g % 32)", TEXTS, "aZ \\n\xc3\xa9", false},
    {"varchar(10)", "left(md5(g::text), g % 11)", TEXTS, "aZ \\n\xc3\xa9 ", false},
    {"char(10)", "left(md5(g::text), g % 11)", TEXTS, "aZ \\n\xc3\xa9 ", false},
    {"bytea", "decode(repeat(md5(g::text), g % 5), 'hex')", BYTEAS, HEXES, false},
    {"uuid", "md5(g::text)::uuid", UUIDS, HEXES, false},
    {"json", "json_build_object('a', g, 'b', repeat('\"\\é' || chr(10), g % 20))", JSONS, JSON_LETTERS, true},
    {"jsonb", "jsonb_build_object('a', g, 'b', repeat('\"\\é' || chr(10), g % 20), 'c', array[g / 3.0, null])", JSONS, JSON_LETTERS, true},
    {"inet", "CASE WHEN g % 2 = 0 THEN inet '1.2.3.4' + g * 7919 ELSE set_masklen(inet 'fe80::1' + g * 7919::bigint * 104729, g % 129) END", ADDRESSES, HEXES "./:", false},
    {"cidr", "set_masklen(CASE WHEN g % 2 = 0 THEN cidr '1.2.3.4' ELSE cidr 'fe80::1:2:3:4' END, g % 33)", ADDRESSES, HEXES "./:", false},
    {"macaddr", "left(md5(g::text), 12)::macaddr", MACS, HEXES ":", false},
    {"mood", "(enum_range(null::mood))[g % 5 + 1]", moods, "sadokvery hp\\'", false},
    {"int4[]", "array[g, null, -g]", INT_ARRAYS, ARRAY_LETTERS, false},
    {"int8[]", "array_fill(g, array[g % 20])::int8[]", INT_ARRAYS, ARRAY_LETTERS, false},
    {"text[]", "array[repeat('\"\\é ', g % 20), null, 'NULL', '', chr(g % 3000 + 1), 'a,b', '{' || g || '}']", TEXT_ARRAYS, ARRAY_LETTERS "\xc3\xa9", false},
    {"varchar(10)[]", "array[left(md5(g::text), g % 11)]", TEXT_ARRAYS, ARRAY_LETTERS "\xc3\xa9", false},
    {"numeric(7,2)[]", "array[(g % 99999) / 7.0, 0, null]::numeric(7,2)[]", LIST("{1.5,NaN}", "{99999.995}", "{1e5}", "{\"1.50\"}", "{1,1,1,1,1,1,1}"), ARRAY_LETTERS ".", false},
    {"timestamptz[]", "array['1801-01-01'::timestamptz + g * interval '1 day', null]", LIST("{\"2000-01-01 00:00:00+00\",infinity}", "{2000-01-01 00:00:00+00}"), ARRAY_LETTERS TIMES, false},
    {"interval[]", "array[g * interval '1 day 2 s']", LIST("{\"1 day\",00:00:00}", "{1 day}"), ARRAY_LETTERS TIMES, false},
    {"bytea[]", "array[decode(md5(g::text), 'hex'), '']", LIST("{\"\\\\\\\\x00\"}", "{\\\\\\\\x00}", "{\"\\\\x00\"}"), ARRAY_LETTERS "x", false},
    {"inet[]", "array[inet '::' + g]", LIST("{::,::,::}", "{::/0,1.2.3.4}"), ARRAY_LETTERS ".:/", false},
    {"mood[]", "array[(enum_range(null::mood))[g % 5 + 1], null]", LIST("{sad,ok}", "{\"very happy\"}", "{SAD}", "{it's}"), ARRAY_LETTERS "sadok'", false},
    {"bool[]", "array[g % 2 = 0, null]", LIST("{t,f}", "{true}", "{t}"), ARRAY_LETTERS "tf", false},
    {"citext", "md5(g::text) || 'É'", TEXTS, "aZ \\nt\xc3\xa9N.", false},
    {"citext[]", "array[md5(g::text), null, 'É é']", TEXT_ARRAYS, ARRAY_LETTERS "\xc3\xa9", false},
    {"positive", "g", INTEGERS, NUMBERS, true},
    {"short", "left(md5(g::text), g % 11)", TEXTS, "aZ \\n\xc3\xa9", false},
};
const size_t kind_count = COUNT_OF(kinds);

uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void spoil(const struct kind *k, uint64_t *seed, struct buf *text)
{
    char c = k->alphabet[next_random(seed) % strlen(k->alphabet)];
    size_t at = next_random(seed) % (text->n + 1);
    switch (next_random(seed) % 4) {
    case 0: /* one more */
        buf_putc(text, c);
        memmove(text->p + at + 1, text->p + at, text->n - 1 - at);
        text->p[at] = c;
        break;
    case 1: /* another */
        if (at < text->n)
            text->p[at] = c;
        break;
    case 2: /* one less */
        if (at < text->n) {
            memmove(text->p + at, text->p + at + 1, text->n - at);
            text->n--;
        }
        break;
    default: /* a digit counted up: dates and ranges at their borders */
        if (at < text->n && text->p[at] >= '0' && text->p[at] < '9')
            text->p[at]++;
        break;
    }
}

void kind_value(const struct kind *k, uint64_t *seed, struct buf *ret)
{
    size_t count = 0;
    while (k->samples[count])
        count++;
    buf_clear(ret);
    buf_puts(ret, k->samples[next_random(seed) % count]);
    for (size_t i = next_random(seed) % 4; i > 0; i--)
        spoil(k, seed, ret);
}
