// What we let a peer ask of us, for either version. Every bound here has a test at the bound.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::http {

struct H1Limits {
  size_t max_head = 64 * 1024;        // request or status line and fields together, bytes -> 431
  size_t max_start_line = 32 * 1024;  // -> 414
  size_t max_fields = 100;            // -> 431
  size_t max_trailers = 16 * 1024;    // trailer section, bytes
  size_t max_chunk_extension = 256;   // bytes of extensions on one chunk
  size_t max_chunk_overhead = 16384;  // bytes of extensions of one message together
};

// Settings we announce and budgets we hold a peer to.
struct H2Limits {
  uint32_t max_concurrent_streams = 100;     // 1024 between sidecars
  uint32_t stream_window = 256 * 1024;       // 1 MiB between sidecars
  uint32_t connection_window = 1024 * 1024;  // 16 MiB between sidecars
  uint32_t max_frame_size = 16384;
  uint32_t header_table_size = 4096;
  size_t max_header_list = 64 * 1024;  // decoded, 32 bytes a field added (RFC 9113 section 6.5.2)
  size_t max_fields = 100;             // cookie crumbs count as one field each
  // Streams a peer may make us give up (RST_STREAM from it, or forced upon us): a bucket of `burst`
  // that refills at `rate` a second. Emptying it ends the connection with ENHANCE_YOUR_CALM
  // (rapid reset, CVE-2023-44487, and its mirror, CVE-2025-8671).
  uint32_t reset_burst = 1000;
  uint32_t reset_rate = 33;
  uint32_t max_control_frames = 1000;  // answers (SETTINGS and PING ACK, RST_STREAM) that wait to be sent
  uint32_t max_settings_entries = 32;
  uint32_t max_continuations = 8;
  uint32_t max_empty_data_frames = 100;  // zero-length DATA without END_STREAM, in a row

  // What weft's sidecars use between each other.
  static H2Limits between_sidecars() {
    H2Limits limits;
    limits.max_concurrent_streams = 1024;
    limits.stream_window = 1024 * 1024;
    limits.connection_window = 16 * 1024 * 1024;
    return limits;
  }
};

}  // namespace weft::http
