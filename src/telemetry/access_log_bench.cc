#include <benchmark/benchmark.h>

#include "telemetry/access_log.h"
#include "telemetry/log_writer.h"
#include "telemetry/record_for_test.h"

namespace weft::telemetry {
namespace {

void write_line(benchmark::State& state, const AccessLogFormat& format) {
  const FinishedRequest finished;
  std::string line;
  for (auto _ : state) {
    line.clear();
    format.append(finished.record, line);
    benchmark::DoNotOptimize(line.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(line.size()) * state.iterations());
}

void istio_text(benchmark::State& state) {
  write_line(state, AccessLogFormat::compile(kIstioTextFormat).value());
}
BENCHMARK(istio_text);

void istio_json(benchmark::State& state) {
  write_line(state, AccessLogFormat::compile_json(istio_json_fields()).value());
}
BENCHMARK(istio_json);

void push_into_ring(benchmark::State& state) {
  auto writer = LogWriter::open({.path = "/dev/null", .ring_bytes = 1 << 20}).value();
  auto& ring = writer->make_ring();
  const std::string line(300, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(ring.push(line));
  state.counters["dropped"] = static_cast<double>(ring.dropped());
}
BENCHMARK(push_into_ring);

}  // namespace
}  // namespace weft::telemetry
