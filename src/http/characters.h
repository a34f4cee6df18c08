// Which bytes may stand where in a message (RFC 9110 section 5.6, RFC 9112), as table look-ups.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSSE3__)
#include <tmmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft::http {

enum CharacterClass : uint8_t {
  kToken = 1,      // tchar: method, field name, connection option
  kTarget = 2,     // request target: VCHAR without '#', strict (no bytes above 0x7e)
  kAuthority = 4,  // unreserved, sub-delims, '%', ':', '[', ']'
  kHexDigit = 8,
  kUnreserved = 16,
};

inline constexpr std::array<uint8_t, 256> kCharacters = [] {
  std::array<uint8_t, 256> table{};
  const auto mark = [&](std::string_view characters, uint8_t as) {
    for (const char c : characters) table[static_cast<uint8_t>(c)] |= as;
  };
  constexpr std::string_view kAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  mark(kAlphanumeric, kToken | kAuthority | kUnreserved);
  mark("!#$%&'*+-.^_`|~", kToken);
  mark("-._~", kAuthority | kUnreserved);
  mark("!$&'()*+,;=%:[]", kAuthority);
  mark("0123456789abcdefABCDEF", kHexDigit);
  for (int c = 0x21; c < 0x7f; ++c) {
    if (c != '#') table[static_cast<size_t>(c)] |= kTarget;
  }
  return table;
}();

inline bool is_class(char c, CharacterClass cls) { return (kCharacters[static_cast<uint8_t>(c)] & cls) != 0; }

#if defined(__SSE2__)
inline __m128i load16(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
inline __m128i load8(const char* at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)); }

// Whether all of at least eight bytes pass `bad`, which has a bit for each byte that does not. Pieces
// overlap.
template <typename Bad>
inline bool all_pass(std::string_view text, Bad bad) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (text.size() < 16) return ((bad(load8(begin)) | bad(load8(end - 8))) & 0xff) == 0;
  for (const char* at = begin; at + 16 < end; at += 16) {
    if (bad(load16(at)) != 0) return false;
  }
  return bad(load16(end - 16)) == 0;
}
#endif

#if defined(__SSSE3__)
// Which of sixteen bytes are no tchar. A byte's low nibble looks up which high nibbles make it one.
inline unsigned not_token(__m128i bytes) {
  struct alignas(16) Nibbles {
    uint8_t of[16];
  };
  static constexpr Nibbles kHighOf = [] {
    Nibbles table{};
    for (unsigned c = 0; c < 0x80; ++c) {
      if ((kCharacters[c] & kToken) != 0) table.of[c & 15] |= static_cast<uint8_t>(1u << (c >> 4));
    }
    return table;
  }();
  static constexpr Nibbles kBit = {{1, 2, 4, 8, 16, 32, 64, 128}};
  const __m128i high_of = _mm_load_si128(reinterpret_cast<const __m128i*>(kHighOf.of));
  const __m128i bit = _mm_load_si128(reinterpret_cast<const __m128i*>(kBit.of));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
  // The look-up of a byte above 0x7f is zero.
  const __m128i both = _mm_and_si128(_mm_shuffle_epi8(high_of, bytes), _mm_shuffle_epi8(bit, high));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_setzero_si128())));
}
#endif

// Where the first byte outside the class stands, or text.size().
inline size_t span_of(std::string_view text, CharacterClass cls) {
  size_t i = 0;
#if defined(__SSSE3__)
  if (cls == kToken) {
    for (; i + 16 <= text.size(); i += 16) {
      if (const unsigned bad = not_token(load16(text.data() + i))) {
        return i + static_cast<size_t>(std::countr_zero(bad));
      }
    }
  }
#endif
  while (i < text.size() && is_class(text[i], cls)) ++i;
  return i;
}
inline bool all_of_class(std::string_view text, CharacterClass cls) {
  return span_of(text, cls) == text.size();
}
inline bool is_token(std::string_view text) {
#if defined(__SSSE3__)
  if (text.size() >= 8) return all_pass(text, not_token);
#endif
  return !text.empty() && all_of_class(text, kToken);
}

inline bool is_value_byte(uint8_t c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; }

#if defined(__SSE2__)
inline unsigned not_value(__m128i bytes) {
  // Unsigned c < 0x20 is max(c, 0x20) != c.
  const __m128i printable = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(0x20)), bytes);
  const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(del, _mm_or_si128(printable, tab)))) ^
         0xffffu;
}
#endif

// Whether a field value holds only HTAB, SP, VCHAR and obs-text: no CR, LF, NUL or other control.
inline bool is_field_value(std::string_view text) {
#if defined(__SSE2__)
  if (text.size() >= 8) return all_pass(text, not_value);
#endif
  for (const char c : text) {
    if (!is_value_byte(static_cast<uint8_t>(c))) return false;
  }
  return true;
}

inline int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the percent-escape at `at` stands for (RFC 3986 section 2.1), 0 to 255; -1 where none is.
inline int escaped_byte(std::string_view text, size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

}  // namespace weft::http
