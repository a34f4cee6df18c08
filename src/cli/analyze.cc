// weft analyze: what weftd would say of these files, without a mesh.
#include <algorithm>
#include <cstdio>

#include "base/json.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/up/plan.h"
#include "objects/load.h"
#include "objects/locate.h"
#include "translate/translate.h"

namespace weft::cli {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> files;
  std::string output;
  bool no_gateways = false;
};

void print_json(const std::vector<yaml::Complaint>& complaints) {
  JsonWriter json(2);
  json.begin_array();
  for (const auto& each : complaints) {
    json.begin_object().field("level", each.is_error() ? "Error" : "Warning").field("code", each.code);
    json.field("file", each.file)
        .field("line", each.line)
        .field("column", each.column)
        .field("origin", each.subject);
    json.field("field", each.field)
        .field("message", each.cause)
        .field("nextStep", each.next_step)
        .end_object();
  }
  std::puts(json.end_array().take().c_str());
}

std::string counted(size_t count, std::string_view what) {
  return concat(count, " ", what, count == 1 ? "" : "s");
}

// What users wrote, by the name that complaints call it.
struct Texts {
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<yaml::Complaint> unreadable;
};

Result<Texts> read_texts(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    WEFT_TRY(const auto found, object_files(path));
    for (const std::string& file : found) {
      if (std::ranges::find(files, file) == files.end()) files.push_back(file);
    }
  }
  Texts out;
  for (const std::string& file : files) {
    auto text = read_objects(file);
    if (text) {
      out.texts.emplace_back(shown_path(file), std::move(*text));
    } else {
      out.unreadable.push_back(unreadable(file, text.error()));
    }
  }
  return out;
}

Result<int> run_analyze(const AnalyzeOptions& options) {
  WEFT_TRY(const Texts read, read_texts(options.files));
  std::vector<objects::Loaded> parts;
  for (const auto& [file, text] : read.texts) parts.push_back(objects::load_text(text, file));
  objects::Loaded all = objects::merge(parts);
  const size_t written = all.objects.size();
  // With the gateways that `weft up` adds: users' objects refer to them.
  if (const std::string gateways = default_gateways(all.objects); !options.no_gateways && !gateways.empty()) {
    parts.push_back(objects::load_text(gateways, "gateways of weft up"));
    all = objects::merge(std::move(parts));
  }
  translate::WorldInput input;
  input.objects = all.objects;
  input.service_addresses = translate::allocate_vips(all.objects, {});
  const auto world = translate::World::make(std::move(input));
  auto complaints = read.unreadable;
  std::ranges::move(all.complaints, std::back_inserter(complaints));
  std::ranges::move(translate::validate(*world), std::back_inserter(complaints));
  for (const auto& [file, text] : read.texts) objects::locate(complaints, file, text);

  if (options.output == "json") {
    print_json(complaints);
  } else {
    for (const auto& each : complaints) std::printf("%s\n", each.to_string().c_str());
    const auto errors = static_cast<size_t>(std::ranges::count_if(complaints, &yaml::Complaint::is_error));
    const std::string objects = written == 0 ? "no object" : counted(written, "object");
    if (complaints.empty()) {
      std::printf("%s in %s, nothing to complain about\n", objects.c_str(),
                  counted(read.texts.size(), "file").c_str());
    } else {
      std::printf("%s in %s: %s, %s\n", objects.c_str(), counted(read.texts.size(), "file").c_str(),
                  counted(errors, "error").c_str(), counted(complaints.size() - errors, "warning").c_str());
    }
  }
  return yaml::any_error(complaints) ? 1 : 0;
}

}  // namespace

void add_analyze(CommandTable& table) {
  auto options = std::make_shared<AnalyzeOptions>();
  table.add("analyze", "Check files without a mesh; exit status 1 if any has an error")
      .words("FILE", options->files, "files or directories of YAML or JSON, or - for standard input")
      .choice("-o,--output", options->output, {"json"}, "print as JSON")
      .flag("--no-gateways", options->no_gateways,
            "without the ingress and egress gateway that 'weft up' adds")
      .example("weft analyze mesh.yaml policies/")
      .runs([options] { return run_analyze(*options); });
}

}  // namespace weft::cli
