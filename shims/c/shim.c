/*
 * A sample shim for `volact test shim`: KMS, its stubs, a little DCE/RPC, and the IDs of MAK, in C99 without libraries.
 *
 *     cc -O2 -o shim shim.c
 *
 * The contract is docs/shim.md. `--wrong NAME` (or 1 to 10) makes it wrong in one way, to see that the harness finds it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

enum { LINE = 65536, BLOCK = 16, MOST_FIELDS = 40 };

static const char *const WRONG[] = {
    "skip-hmac", "any-slot", "ignore-hash", "padding-off-by-one", "ndr64-byte-order",
    "ignore-mac", "ignore-cmid", "check-digit-weight", "day-of-year", "v5-key-schedule",
};
enum wrong {
    RIGHT, SKIP_HMAC, ANY_SLOT, IGNORE_HASH, PADDING_OFF_BY_ONE, NDR64_BYTE_ORDER,
    IGNORE_MAC, IGNORE_CMID, CHECK_DIGIT_WEIGHT, DAY_OF_YEAR, V5_KEY_SCHEDULE,
};
static enum wrong wrong = RIGHT;

/* A case: the fields of its line, which point into it. */

struct field { const char *name, *value; };
static struct field fields[MOST_FIELDS];
static int n_fields;

/* The answer, and where to go when the input is refused. */
static char answer[2 * LINE];
static size_t answered;
static jmp_buf *refused;

/* Bytes of this case; all of them go when the next one comes. */
static u8 arena[8 * LINE];
static size_t used;

struct bytes { u8 *at; size_t length; };

static void die(const char *why) {
    fprintf(stderr, "shim: %s\n", why);
    exit(2);
}

static u8 *room(size_t length) {
    if (length > sizeof arena - used) die("out of room");
    used += length;
    return arena + used - length;
}

static void put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(answer + answered, sizeof answer - answered, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof answer - answered) die("the answer is too long");
    answered += (size_t)length;
}

static void put_hex(const char *name, const u8 *bytes, size_t length) {
    put(",\"%s\":\"", name);
    for (size_t i = 0; i < length; i++) put("%02x", bytes[i]);
    put("\"");
}

static void put_number(const char *name, u32 value) { put(",\"%s\":%lu", name, (unsigned long)value); }

static void put_long(const char *name, u64 value) { put(",\"%s\":\"%llu\"", name, (unsigned long long)value); }

static void refuse(const char *check) {
    answered = 0;
    put(",\"ok\":false,\"check\":\"%s\"", check);
    longjmp(*refused, 1);
}

static void need(int holds, const char *check) {
    if (!holds) refuse(check);
}

static void refuse_with(u32 hresult) {
    answered = 0;
    put(",\"ok\":false");
    put_number("hresult", hresult);
    longjmp(*refused, 1);
}

/* Reads a flat object in place: names and values become strings that end in NUL. */
static void read_line(char *line) {
    char *at = line;
    n_fields = 0;
    if (*at++ != '{') die("no object");
    while (*at == '"') {
        if (n_fields == MOST_FIELDS) die("too many fields");
        struct field *field = &fields[n_fields++];
        field->name = ++at;
        at = strchr(at, '"');
        if (!at || at[1] != ':') die("no field");
        *at = 0;
        at += 2;
        char *end;
        if (*at == '"') {
            field->value = ++at;
            end = strchr(at, '"');
            if (!end) die("a string without an end");
            *end++ = 0;
        } else {
            field->value = at;
            end = at + strcspn(at, ",}");
        }
        at = end;
        char separator = *at;
        *at++ = 0;
        if (separator == '}') return;
        if (separator != ',') die("no separator");
    }
    die("no field");
}

static const char *text(const char *name) {
    for (int i = 0; i < n_fields; i++)
        if (!strcmp(fields[i].name, name)) return fields[i].value;
    die(name);
    return NULL;
}

static u32 number(const char *name) { return (u32)strtoul(text(name), NULL, 10); }

static u64 long_number(const char *name) { return strtoull(text(name), NULL, 10); }

static int flag(const char *name) { return !strcmp(text(name), "true"); }

static int hex_digit(char c) {
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static struct bytes bytes(const char *name) {
    const char *hex = text(name);
    struct bytes result = { NULL, strlen(hex) / 2 };
    result.at = room(result.length);
    for (size_t i = 0; i < result.length; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) die("no hex");
        result.at[i] = (u8)(high << 4 | low);
    }
    return result;
}

/* Integers. */

static u64 get(const u8 *at, int count, int big) {
    u64 value = 0;
    for (int i = 0; i < count; i++) value = value << 8 | at[big ? i : count - 1 - i];
    return value;
}

static void set(u8 *at, u64 value, int count, int big) {
    for (int i = 0; i < count; i++) at[big ? count - 1 - i : i] = (u8)(value >> 8 * i);
}

static u32 le32(const u8 *at) { return (u32)get(at, 4, 0); }

static u64 le64(const u8 *at) { return get(at, 8, 0); }

/* GUIDs: the order of their digits in the bytes of a little-endian sender. */

static const u8 GUID_ORDER[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

static void put_guid(const char *name, const u8 *raw, int big) {
    put(",\"%s\":\"", name);
    for (int i = 0; i < 16; i++)
        put(i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", raw[big ? i : GUID_ORDER[i]]);
    put("\"");
}

static void read_guid(const char *text, u8 *raw) {
    for (int i = 0; i < 16; i++) {
        if (*text == '-') text++;
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0) die("no GUID");
        raw[GUID_ORDER[i]] = (u8)(high << 4 | low);
        text += 2;
    }
}

/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104). */

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 turn(u32 x, int by) { return x >> by | x << (32 - by); }

static void sha256(const u8 *data, size_t length, u8 out[32]) {
    u32 h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    size_t mark = used, padded = (length + 9 + 63) / 64 * 64;
    u8 *message = room(padded);
    memset(message, 0, padded);
    memcpy(message, data, length);
    message[length] = 0x80;
    set(message + padded - 8, 8 * (u64)length, 8, 1);
    for (size_t at = 0; at < padded; at += 64) {
        u32 w[64], s[8];
        for (int i = 0; i < 16; i++) w[i] = (u32)get(message + at + 4 * i, 4, 1);
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3)
                 + (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
        memcpy(s, h, sizeof s);
        for (int i = 0; i < 64; i++) {
            u32 a = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6]))
                  + K[i] + w[i];
            u32 b = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22))
                  + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            memmove(s + 1, s, 7 * sizeof *s);
            s[4] += a;
            s[0] = a + b;
        }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
    for (int i = 0; i < 8; i++) set(out + 4 * i, h[i], 4, 1);
    used = mark;
}

/* Keys here have 64 bytes at most. */
static void hmac(const u8 *key, size_t key_length, const u8 *data, size_t length, u8 out[32]) {
    size_t mark = used;
    u8 *inner = room(64 + length), outer[64 + 32];
    for (size_t i = 0; i < 64; i++) {
        u8 byte = i < key_length ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    memcpy(inner + 64, data, length);
    sha256(inner, 64 + length, outer + 64);
    sha256(outer, sizeof outer, out);
    used = mark;
}

/* Rijndael with blocks of 128 bits (FIPS 197; the key of version 4 has 160 bits). */

struct rijndael { int rounds; u8 keys[16 * 12]; };
static u8 sbox[256], unsbox[256];
static struct rijndael v4, v5, v6;

static u8 product(u8 x, u8 y) {
    u8 result = 0;
    for (; y; y >>= 1, x = (u8)(x << 1 ^ (x & 0x80 ? 0x1b : 0)))
        if (y & 1) result ^= x;
    return result;
}

static void make_sbox(void) {
    for (int x = 0; x < 256; x++) {
        int inverse = 0, value = 0x63;
        for (int y = 1; y < 256; y++)
            if (product((u8)x, (u8)y) == 1) inverse = y;
        for (int shift = 0; shift < 5; shift++) value ^= (inverse << shift | inverse >> (8 - shift)) & 0xff;
        sbox[x] = (u8)value;
        unsbox[value] = (u8)x;
    }
}

static void expand(struct rijndael *cipher, const u8 *key, int length) {
    u8 constant = 1;
    cipher->rounds = length / 4 + 6;
    memcpy(cipher->keys, key, (size_t)length);
    for (int at = length; at < 16 * (cipher->rounds + 1); at += 4) {
        u8 word[4];
        memcpy(word, cipher->keys + at - 4, 4);
        if (at % length == 0) {
            u8 first = word[0];
            for (int i = 0; i < 4; i++) word[i] = sbox[i < 3 ? word[i + 1] : first];
            word[0] ^= constant;
            constant = product(constant, 2);
        }
        for (int i = 0; i < 4; i++) cipher->keys[at + i] = word[i] ^ cipher->keys[at + i - length];
    }
}

static void add(u8 *block, const u8 *other) {
    for (int i = 0; i < BLOCK; i++) block[i] ^= other[i];
}

static void mix(u8 *block, const u8 factors[4]) {
    for (int column = 0; column < BLOCK; column += 4) {
        u8 old[4];
        memcpy(old, block + column, 4);
        for (int row = 0; row < 4; row++) {
            u8 value = 0;
            for (int i = 0; i < 4; i++) value ^= product(old[(row + i) % 4], factors[i]);
            block[column + row] = value;
        }
    }
}

static void encrypt(const struct rijndael *cipher, u8 *block) {
    static const u8 factors[4] = { 2, 3, 1, 1 };
    add(block, cipher->keys);
    for (int round = 1; round <= cipher->rounds; round++) {
        u8 old[BLOCK];
        memcpy(old, block, BLOCK);
        for (int i = 0; i < BLOCK; i++) block[i] = sbox[old[(i + 4 * (i % 4)) % 16]];
        if (round < cipher->rounds) mix(block, factors);
        add(block, cipher->keys + 16 * round);
    }
}

static void decrypt(const struct rijndael *cipher, u8 *block) {
    static const u8 factors[4] = { 14, 11, 13, 9 };
    for (int round = cipher->rounds; round > 0; round--) {
        u8 old[BLOCK];
        add(block, cipher->keys + 16 * round);
        if (round < cipher->rounds) mix(block, factors);
        memcpy(old, block, BLOCK);
        for (int i = 0; i < BLOCK; i++) block[i] = unsbox[old[(i + 16 - 4 * (i % 4)) % 16]];
    }
    add(block, cipher->keys);
}

/* In place. */
static void cbc_encrypt(const struct rijndael *cipher, const u8 *iv, u8 *data, size_t length) {
    for (size_t at = 0; at + BLOCK <= length; at += BLOCK) {
        add(data + at, iv);
        encrypt(cipher, data + at);
        iv = data + at;
    }
}

static u8 *cbc_decrypted(const struct rijndael *cipher, const u8 *iv, const u8 *data, size_t length) {
    u8 *plain = room(length);
    memcpy(plain, data, length);
    for (size_t at = 0; at + BLOCK <= length; at += BLOCK) {
        decrypt(cipher, plain + at);
        add(plain + at, at ? data + at - BLOCK : iv);
    }
    return plain;
}

/* KMS. */

enum { BODY = 236 };
static const u64 SLOT = 0x22816889bd;

static const struct rijndael *cipher_of(u32 major) { return major == 5 ? &v5 : &v6; }

static void set_up(void) {
    static const u8 key4[20] = { 0x05, 0x3d, 0x83, 0x07, 0xf9, 0xe5, 0xf0, 0x88, 0xeb, 0x5e,
                                 0xa6, 0x68, 0x6c, 0xf0, 0x37, 0xc7, 0xe4, 0xef, 0xd2, 0xd6 };
    static const u8 key5[16] = { 0xcd, 0x7e, 0x79, 0x6f, 0x2a, 0xb2, 0x5d, 0xcb,
                                 0x55, 0xff, 0xc8, 0xef, 0x83, 0x64, 0xc4, 0x70 };
    static const u8 key6[16] = { 0xa9, 0x4a, 0x41, 0x95, 0xe2, 0x01, 0x43, 0x2d,
                                 0x9b, 0xcb, 0x46, 0x04, 0x05, 0xd8, 0x4a, 0x21 };
    make_sbox();
    expand(&v4, key4, sizeof key4);
    expand(&v5, key5, sizeof key5);
    expand(&v6, key6, sizeof key6);
    if (wrong == V5_KEY_SCHEDULE) return;
    v6.keys[16 * 4] ^= 0x73;
    v6.keys[16 * 6] ^= 0x09;
    v6.keys[16 * 8] ^= 0xe4;
}

static void mac_of(const u8 *body, size_t length, u8 mac[BLOCK]) {
    static const u8 zero[BLOCK];
    size_t mark = used, padded = (length / BLOCK + 1) * BLOCK;
    u8 *message = room(padded);
    memset(message, 0, padded);
    memcpy(message, body, length);
    message[length] = 0x80;
    cbc_encrypt(&v4, zero, message, padded);
    memcpy(mac, message + padded - BLOCK, BLOCK);
    used = mark;
}

static int mac_holds(const u8 *body, size_t length, const u8 *mac) {
    u8 right[BLOCK];
    mac_of(body, length, right);
    return wrong == IGNORE_MAC || !memcmp(right, mac, BLOCK);
}

static u32 major_of(struct bytes message) {
    need(message.length >= 4, "length");
    u32 major = le32(message.at) >> 16;
    need(major >= 4 && major <= 6, "version");
    return major;
}

/* The body of a request that is right, and K: its IV under the raw block cipher. */
static const u8 *open_request(struct bytes message, u8 k[BLOCK]) {
    u32 major = major_of(message);
    if (major == 4) {
        need(message.length == BODY + BLOCK, "length");
        need(mac_holds(message.at, BODY, message.at + BODY), "mac");
        return message.at;
    }
    need(message.length == 260, "length");
    const u8 *plain = cbc_decrypted(cipher_of(major), message.at + 4, message.at + 20, 240);
    need(!memcmp(plain, message.at, 4), "version_envelope");
    need(!memcmp(plain + BODY, "\4\4\4\4", 4), "padding");
    memcpy(k, message.at + 4, BLOCK);
    decrypt(cipher_of(major), k);
    return plain;
}

static void decode_request(void) {
    u8 k[BLOCK];
    const u8 *body = open_request(bytes("message"), k);
    put_number("version", le32(body));
    put_number("vm_info", le32(body + 4));
    put_number("license_status", le32(body + 8));
    put_number("binding_expiration", le32(body + 12));
    put_guid("app_id", body + 16, 0);
    put_guid("act_id", body + 32, 0);
    put_guid("kms_id", body + 48, 0);
    put_guid("cmid", body + 64, 0);
    put_number("n_policy", le32(body + 80));
    put_long("client_time", le64(body + 84));
    put_guid("cmid_prev", body + 92, 0);
    put_hex("machine_name", body + 108, 128);
}

static void encode_request(void) {
    u8 message[260];
    u32 version = number("version");
    u8 *body = version >> 16 == 4 ? message : message + 20;
    struct bytes name = bytes("machine_name");
    if (name.length != 128) die("machine_name");
    set(body, version, 4, 0);
    set(body + 4, number("vm_info"), 4, 0);
    set(body + 8, number("license_status"), 4, 0);
    set(body + 12, number("binding_expiration"), 4, 0);
    read_guid(text("app_id"), body + 16);
    read_guid(text("act_id"), body + 32);
    read_guid(text("kms_id"), body + 48);
    read_guid(text("cmid"), body + 64);
    set(body + 80, number("n_policy"), 4, 0);
    set(body + 84, long_number("client_time"), 8, 0);
    read_guid(text("cmid_prev"), body + 92);
    memcpy(body + 108, name.at, 128);
    if (body == message) {
        mac_of(body, BODY, body + BODY);
        put_hex("message", message, BODY + BLOCK);
        return;
    }
    struct bytes iv = bytes("iv");
    if (iv.length != BLOCK) die("iv");
    set(message, version, 4, 0);
    memcpy(message + 4, iv.at, BLOCK);
    memset(body + BODY, 4, 4);
    cbc_encrypt(cipher_of(version >> 16), iv.at, body, BODY + 4);
    put_hex("message", message, sizeof message);
}

static void slot_hmac(u64 client_time, int away, const u8 *data, size_t length, u8 out[BLOCK]) {
    u8 slot[8], key[32], full[32];
    set(slot, client_time / SLOT * 0x208cbab5ed + 0x3156cd5ac628477a + (u64)(int64_t)away * SLOT, 8, 0);
    sha256(slot, sizeof slot, key);
    hmac(key + 16, 16, data, length, full);
    memcpy(out, full + 16, BLOCK);
}

static int epid_ends_once(const u8 *epid, size_t size) {
    if (size < 2 || size % 2) return 0;
    for (size_t i = 0; i < size; i += 2)
        if ((epid[i] == 0 && epid[i + 1] == 0) != (i + 2 == size)) return 0;
    return 1;
}

static int is_pkcs7(const u8 *padding, size_t length) {
    if (length < 1 || length > BLOCK) return 0;
    for (size_t i = 0; i < length; i++)
        if (padding[i] != length) return 0;
    return 1;
}

static void verify_v6(struct bytes response, const u8 *plain, size_t end, const u8 k[BLOCK]) {
    u64 client_time = le64(plain + end - 20);
    need(!memcmp(plain + end + 56, k, BLOCK), "xored_ivs");
    u8 *data = room(BLOCK + end + 72);
    memcpy(data, response.at + 4, BLOCK);
    decrypt(&v6, data);
    memcpy(data + BLOCK, plain, end + 72);
    int reach = wrong == ANY_SLOT ? 10 : 1, holds = wrong == SKIP_HMAC;
    for (int away = -reach; away <= reach; away++) {
        u8 right[BLOCK];
        slot_hmac(client_time, away, data, BLOCK + end + 72, right);
        holds |= !memcmp(right, plain + end + 72, BLOCK);
    }
    need(holds, "hmac");
}

static void verify_response(void) {
    struct bytes request = bytes("request"), response = bytes("response");
    u8 k[BLOCK], salt[BLOCK], digest[32];
    u32 major = major_of(response);
    const u8 *asked = open_request(request, k), *plain = response.at;
    size_t length = response.length, behind = major == 4 ? 16 : major == 5 ? 48 : 88;
    if (major != 4) {
        need(length >= 20 && (length - 4) % BLOCK == 0, "length");
        length -= 20;
        plain = cbc_decrypted(cipher_of(major), response.at + 4, response.at + 20, length);
    }
    need(length >= 8, "length");
    size_t pid_size = le32(plain + 4), end = 44 + pid_size;
    need(pid_size <= length && end + behind <= length, "length");
    const u8 *rest = plain + 8 + pid_size;
    if (major == 4) {
        need(length == end + behind, "length");
        need(mac_holds(plain, end, plain + end), "mac");
        need(!memcmp(plain, asked, 4), "version_echo");
    } else {
        need(!memcmp(response.at, plain, 4) && !memcmp(plain, request.at, 4), "version_envelope");
    }
    need(wrong == IGNORE_CMID || !memcmp(rest, asked + 64, 16), "cmid_echo");
    need(!memcmp(rest + 16, asked + 84, 8), "client_time_echo");
    need(epid_ends_once(plain + 8, pid_size), "pid_size");
    if (major != 4) {
        need(is_pkcs7(plain + end + behind, length - end - behind), "padding");
        memcpy(salt, plain + end, BLOCK);
        add(salt, k);
        sha256(salt, BLOCK, digest);
        need(wrong == IGNORE_HASH || !memcmp(digest, plain + end + 16, 32), "hash");
        int same_iv = !memcmp(response.at + 4, request.at + 4, BLOCK);
        need(major == 6 || same_iv, "iv_echo");
        need(major == 5 || !same_iv, "iv_fresh");
    }
    if (major == 6) verify_v6(response, plain, end, k);
    put_number("version", le32(plain));
    put_hex("epid", plain + 8, pid_size);
    put_guid("cmid", rest, 0);
    put_long("client_time", le64(rest + 16));
    put_number("count", le32(rest + 24));
    put_number("activation_interval", le32(rest + 28));
    put_number("renewal_interval", le32(rest + 32));
    if (major == 6) put_hex("hwid", plain + end + 48, 8);
}

/* The request of a host's answer: what a host cannot read, it refuses with an HRESULT. */
static const u8 *open_or_refuse(struct bytes request, u8 k[BLOCK]) {
    jmp_buf here, *outer = refused;
    const u8 *volatile body = NULL;
    refused = &here;
    if (!setjmp(here)) body = open_request(request, k);
    refused = outer;
    answered = 0;
    if (!body) refuse_with(0x8007000d);
    put(",\"ok\":true");
    return body;
}

static void respond(void) {
    u8 k[BLOCK], kms_id[16];
    struct bytes request = bytes("request"), epid = bytes("epid");
    const u8 *asked = open_or_refuse(request, k);
    u64 client_time = le64(asked + 84), now = long_number("now"), skew = long_number("max_clock_skew");
    if (*text("product")) {
        read_guid(text("product"), kms_id);
        if (memcmp(kms_id, asked + 48, 16)) refuse_with(0xc004f042);
    }
    if (skew && (now > client_time ? now - client_time : client_time - now) > skew) refuse_with(0xc004f06c);
    u32 major = le32(asked) >> 16;
    u8 *message = room(20 + 44 + epid.length + 88 + 16), *body = major == 4 ? message : message + 20;
    u8 *at = body + 8 + epid.length;
    memcpy(body, asked, 4);
    set(body + 4, epid.length, 4, 0);
    memcpy(body + 8, epid.at, epid.length);
    memcpy(at, asked + 64, 16);
    memcpy(at + 16, asked + 84, 8);
    set(at + 24, number("count"), 4, 0);
    set(at + 28, number("activation_interval"), 4, 0);
    set(at + 32, number("renewal_interval"), 4, 0);
    at += 36;
    if (major == 4) {
        mac_of(body, (size_t)(at - body), at);
        put_hex("response", message, (size_t)(at + BLOCK - message));
        return;
    }
    struct bytes salt = bytes("salt"), r = bytes("r"), hwid = bytes("hwid");
    if (salt.length != BLOCK || r.length != BLOCK || hwid.length != 8) die("salt, r or hwid");
    memcpy(at, salt.at, BLOCK);
    add(at, k);
    sha256(salt.at, BLOCK, at + 16);
    at += 48;
    memcpy(message, asked, 4);
    memcpy(message + 4, request.at + 4, BLOCK);
    if (major == 6) {
        memcpy(at, hwid.at, 8);
        memcpy(at + 8, k, BLOCK);
        at += 24;
        /* R stands in front of the body until it is encrypted. */
        memcpy(message + 4, r.at, BLOCK);
        slot_hmac(client_time, 0, message + 4, (size_t)(at - message - 4), at);
        at += BLOCK;
        encrypt(&v6, message + 4);
    }
    size_t padding = BLOCK - (size_t)(at - body) % BLOCK;
    memset(at, (int)(wrong == PADDING_OFF_BY_ONE ? padding - 1 : padding), padding);
    at += padding;
    cbc_encrypt(cipher_of(major), message + 4, body, (size_t)(at - body));
    put_hex("response", message, (size_t)(at - message));
}

/* NDR. */

static struct { struct bytes data; size_t at; int big, wide, wide_big; } stub;

static void open_stub(const char *name) {
    stub.data = bytes(name);
    stub.at = 0;
    stub.big = flag("big");
    stub.wide = number("syntax") == 64;
    stub.wide_big = stub.wide && wrong == NDR64_BYTE_ORDER ? !stub.big : stub.big;
}

static const u8 *take(u64 count) {
    need(count <= stub.data.length - stub.at, "length");
    stub.at += (size_t)count;
    return stub.data.at + stub.at - (size_t)count;
}

static u64 take_size(void) {
    u64 size = get(take(4), 4, stub.wide_big);
    if (stub.wide) take(4);
    return size;
}

static u64 take_wide(void) {
    int count = stub.wide ? 8 : 4;
    return get(take((u64)count), count, stub.wide_big);
}

static u8 *set_wide(u8 *at, u64 value) {
    set(at, value, stub.wide ? 8 : 4, stub.wide_big);
    return at + (stub.wide ? 8 : 4);
}

static u8 *set_size(u8 *at, u64 size) {
    set(at, size, 4, stub.wide_big);
    if (!stub.wide) return at + 4;
    memset(at + 4, 0, 4);
    return at + 8;
}

static void decode_request_stub(void) {
    open_stub("stub");
    u64 size = take_size();
    need(size == take_wide(), "counts");
    put_hex("message", take(size), (size_t)size);
}

static void encode_request_stub(void) {
    open_stub("message");
    u8 *out = room(16 + stub.data.length), *at = set_wide(set_size(out, stub.data.length), stub.data.length);
    memcpy(at, stub.data.at, stub.data.length);
    put_hex("stub", out, (size_t)(at - out) + stub.data.length);
}

static void decode_response_stub(void) {
    open_stub("stub");
    u64 size = take_size();
    if (take_wide() == 0) {
        u32 hresult = (u32)get(take(4), 4, stub.big);
        need(hresult != 0, "null_pointer");
        put(",\"message\":\"\"");
        put_number("hresult", hresult);
        return;
    }
    need(size == take_wide(), "counts");
    const u8 *message = take(size);
    take((4 - size % 4) % 4);
    u32 hresult = (u32)get(take(4), 4, stub.big);
    put_hex("message", message, (size_t)size);
    put_number("hresult", hresult);
}

static void encode_response_stub(void) {
    open_stub("message");
    u32 hresult = number("hresult");
    size_t length = hresult ? 0 : stub.data.length, padding = (4 - length % 4) % 4;
    u8 *out = room(24 + length + padding + 4), *at = set_wide(set_size(out, length), hresult ? 0 : 0x20000);
    if (!hresult) at = set_wide(at, length);
    memcpy(at, stub.data.at, length);
    memset(at + length, 0, padding);
    set(at + length + padding, hresult, 4, stub.big);
    put_hex("stub", out, (size_t)(at - out) + length + padding + 4);
}

/* DCE/RPC. */

static int is_big(const u8 *pdu) { return pdu[4] >> 4 == 0; }

static void frame(void) {
    struct bytes stream = bytes("stream");
    char lengths[1024] = "";
    size_t at = 0;
    u32 pdus = 0;
    while (at < stream.length) {
        const u8 *pdu = stream.at + at;
        need(pdu[0] == 5, "version");
        if (stream.length - at < 16) break;
        size_t length = (size_t)get(pdu + 8, 2, is_big(pdu)), written = strlen(lengths);
        need(length >= 16, "length");
        if (length > stream.length - at) break;
        snprintf(lengths + written, sizeof lengths - written, "%s%lu", pdus ? "," : "", (unsigned long)length);
        at += length;
        pdus++;
    }
    put_number("pdus", pdus);
    put(",\"lengths\":\"%s\"", lengths);
    put_number("rest", (u32)(stream.length - at));
}

struct context { u32 id; const u8 *abstract, *transfers; int n_transfers; };
static struct context contexts[256];

/* Reads the contexts of a bind; their number. */
static int read_bind(struct bytes pdu) {
    need(pdu.length >= 16, "length");
    need(pdu.at[2] == 11, "type");
    int big = is_big(pdu.at), count;
    size_t length = (size_t)get(pdu.at + 8, 2, big), at = 28;
    need(length >= 28 && length <= pdu.length, "length");
    count = pdu.at[24];
    for (int i = 0; i < count; i++) {
        need(at + 24 <= length, "length");
        struct context *context = &contexts[i];
        context->id = (u32)get(pdu.at + at, 2, big);
        context->n_transfers = pdu.at[at + 2];
        context->abstract = pdu.at + at + 4;
        context->transfers = pdu.at + at + 24;
        at += 24 + 20 * (size_t)context->n_transfers;
        need(at <= length, "length");
    }
    return count;
}

static void decode_bind(void) {
    static const u8 none[16];
    struct bytes pdu = bytes("pdu");
    int count = read_bind(pdu), big = is_big(pdu.at);
    char name[16];
    put_number("call_id", (u32)get(pdu.at + 12, 4, big));
    put_number("max_xmit_frag", (u32)get(pdu.at + 16, 2, big));
    put_number("max_recv_frag", (u32)get(pdu.at + 18, 2, big));
    put_number("assoc_group_id", (u32)get(pdu.at + 20, 4, big));
    put_number("contexts", (u32)count);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "context_%d", i);
        put_number(name, contexts[i].id);
        snprintf(name, sizeof name, "abstract_%d", i);
        put_guid(name, contexts[i].abstract, big);
        snprintf(name, sizeof name, "transfer_%d", i);
        put_guid(name, contexts[i].n_transfers ? contexts[i].transfers : none, big);
    }
}

/* Where a context proposes a syntax whose first bytes are these. */
static const u8 *proposed(const struct context *context, const u8 *syntax, size_t length) {
    for (int i = 0; i < context->n_transfers; i++)
        if (!memcmp(context->transfers + 20 * i, syntax, length)) return context->transfers + 20 * i;
    return NULL;
}

static void encode_bind_ack(void) {
    static const u8 features[8] = { 0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45 };
    u8 kms[16], ndr32[16], ndr64[16];
    read_guid("51c82175-844e-4750-b0d8-ec255555bc06", kms);
    read_guid("8a885d04-1ceb-11c9-9fe8-08002b104860", ndr32);
    read_guid("71710533-beba-4937-8319-b5dbef9ccc36", ndr64);
    struct bytes bind = bytes("bind");
    int count = read_bind(bind), takes_ndr64 = 0;
    for (int i = 0; i < count; i++)
        takes_ndr64 |= flag("ndr64") && proposed(&contexts[i], ndr64, 16) != NULL;
    const char *port = text("port");
    size_t port_length = strlen(port) + 1, at = (26 + port_length + 3) / 4 * 4;
    size_t length = at + 4 + 24 * (size_t)count;
    u8 *pdu = room(length);
    memset(pdu, 0, length);
    memcpy(pdu, "\5\0\14\3\20", 5);
    set(pdu + 8, length, 2, 0);
    set(pdu + 12, get(bind.at + 12, 4, is_big(bind.at)), 4, 0);
    set(pdu + 16, get(bind.at + 18, 2, is_big(bind.at)), 2, 0);
    set(pdu + 18, get(bind.at + 16, 2, is_big(bind.at)), 2, 0);
    set(pdu + 20, number("assoc_group_id"), 4, 0);
    set(pdu + 24, port_length, 2, 0);
    memcpy(pdu + 26, port, port_length);
    pdu[at] = (u8)count;
    for (int i = 0; i < count; i++) {
        u8 *result = pdu + at + 4 + 24 * i;
        const u8 *asked = proposed(&contexts[i], features, sizeof features);
        if (asked) {
            set(result, 3, 2, 0);
            set(result + 2, asked[8] & 3, 2, 0);
        } else if (memcmp(contexts[i].abstract, kms, 16)) {
            set(result, 2, 2, 0);
            set(result + 2, 1, 2, 0);
        } else if (proposed(&contexts[i], takes_ndr64 ? ndr64 : ndr32, 16)) {
            memcpy(result + 4, takes_ndr64 ? ndr64 : ndr32, 16);
            set(result + 20, takes_ndr64 ? 1 : 2, 4, 0);
        } else {
            set(result, 2, 2, 0);
            set(result + 2, 2, 2, 0);
        }
    }
    put_hex("pdu", pdu, length);
}

/* MAK. */

static void check_id(int is_confirmation) {
    const char *written = text("text");
    char digits[128];
    size_t count = 0;
    for (; *written; written++) {
        if (*written == ' ' || *written == '-') continue;
        need(*written >= '0' && *written <= '9', "character");
        if (count < sizeof digits) digits[count++] = (char)(*written - '0');
    }
    need(is_confirmation ? count == 42 || count == 48 : count == 50 || count == 54 || count == 63, "length");
    size_t group_length = count == 63 ? 7 : 6, doubled = wrong == CHECK_DIGIT_WEIGHT ? 0 : 1;
    for (size_t group = 0; group < count / group_length; group++) {
        const char *at = digits + group * group_length;
        int sum = 0;
        for (size_t i = 0; i + 1 < group_length; i++) sum += at[i] * (i % 2 == doubled ? 2 : 1);
        if (sum % 7 != at[group_length - 1]) {
            answered = 0;
            put(",\"ok\":false,\"check\":\"check_digit\"");
            put_number("group", (u32)group + 1);
            longjmp(*refused, 1);
        }
    }
    put_number("digits", (u32)count);
}

static void check_installation_id(void) { check_id(0); }

static void check_confirmation_id(void) { check_id(1); }

static struct bytes base64(const char *name) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *written = text(name);
    size_t length = strlen(written), end = length;
    need(length % 4 == 0, "base64");
    while (end > 0 && length - end < 2 && written[end - 1] == '=') end--;
    struct bytes result = { room(length), 0 };
    u32 bits = 0;
    for (size_t i = 0; i < end; i++) {
        const char *at = strchr(alphabet, written[i]);
        need(at != NULL, "base64");
        bits = bits << 6 | (u32)(at - alphabet);
        if (i % 4) result.at[result.length++] = (u8)(bits >> (6 - 2 * (i % 4)));
    }
    return result;
}

static void verify_digest(void) {
    static const u8 key[32] = {
        0xfe, 0x31, 0x98, 0x75, 0xfb, 0x48, 0x84, 0x86, 0x9c, 0xf3, 0xf1, 0xce, 0x99, 0xa8, 0x90, 0x64,
        0xab, 0x57, 0x1f, 0xca, 0x47, 0x04, 0x50, 0x58, 0x30, 0x24, 0xe2, 0x14, 0x62, 0x87, 0x79, 0xa0,
    };
    struct bytes request = base64("request_xml"), digest = base64("digest");
    u8 right[32];
    hmac(key, sizeof key, request.at, request.length, right);
    need(digest.length == sizeof right && !memcmp(digest.at, right, sizeof right), "digest");
}

static void parse_epid(void) {
    static const struct { size_t most; char end; } parts[9] = {
        { 5, '-' }, { 5, '-' }, { 3, '-' }, { 6, '-' }, { 2, '-' }, { 5, '-' }, { 5, '.' }, { 4, '-' }, { 7, 0 },
    };
    const char *at = text("text");
    u32 values[9];
    for (int i = 0; i < 9; i++) {
        size_t digits = strspn(at, "0123456789");
        need(digits >= 1 && digits <= parts[i].most && at[digits] == parts[i].end, "format");
        values[i] = (u32)strtoul(at, NULL, 10);
        at += digits + 1;
    }
    u32 day = values[8] / 10000, year = values[8] % 10000;
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    need(wrong == DAY_OF_YEAR ? day <= 366 : day >= 1 && day <= (is_leap ? 366u : 365u), "day");
    put_number("platform_id", values[0]);
    put_number("group", values[1]);
    put_number("key_sequence", values[2] * 1000000 + values[3]);
    put_number("channel", values[4]);
    put_number("lcid", values[5]);
    put_number("build", values[6]);
    put_number("day", day);
    put_number("year", year);
}

static void hello(void) { put(",\"contract\":1,\"name\":\"volact sample shim in C\""); }

static void echo(void) {
    struct bytes given = bytes("bytes");
    put_hex("bytes", given.at, given.length);
}

static const struct { const char *name; void (*run)(void); } OPERATIONS[] = {
    { "hello", hello },
    { "echo", echo },
    { "kms.request.decode", decode_request },
    { "kms.request.encode", encode_request },
    { "kms.response.verify", verify_response },
    { "kms.respond", respond },
    { "ndr.request.decode", decode_request_stub },
    { "ndr.request.encode", encode_request_stub },
    { "ndr.response.decode", decode_response_stub },
    { "ndr.response.encode", encode_response_stub },
    { "rpc.frame", frame },
    { "rpc.bind.decode", decode_bind },
    { "rpc.bind_ack.encode", encode_bind_ack },
    { "mak.installation_id.check", check_installation_id },
    { "mak.confirmation_id.check", check_confirmation_id },
    { "mak.digest.verify", verify_digest },
    { "epid.parse", parse_epid },
};

static void answer_line(void) {
    used = 0;
    answered = 0;
    const char *op = text("op");
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
        if (strcmp(OPERATIONS[i].name, op)) continue;
        jmp_buf here;
        refused = &here;
        if (!setjmp(here)) {
            put(",\"ok\":true");
            OPERATIONS[i].run();
        }
        return;
    }
    put(",\"unimplemented\":true");
}

static enum wrong wrong_of(const char *name) {
    int number = atoi(name), count = (int)(sizeof WRONG / sizeof *WRONG);
    for (int i = 0; i < count; i++)
        if (number == i + 1 || !strcmp(name, WRONG[i])) return (enum wrong)(i + 1);
    die("there is no such way to be wrong");
    return RIGHT;
}

int main(int argc, char **argv) {
    static char line[LINE + 2];
    if (argc == 3 && !strcmp(argv[1], "--wrong")) wrong = wrong_of(argv[2]);
    else if (argc != 1) die("usage: shim [--wrong NAME]");
    set_up();
    while (fgets(line, sizeof line, stdin)) {
        read_line(line);
        answer_line();
        printf("{\"id\":%s%s}\n", text("id"), answer);
        fflush(stdout);
    }
    return 0;
}
