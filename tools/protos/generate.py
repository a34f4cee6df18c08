#!/usr/bin/env python3
"""Makes what room wire compiles of Envoy's .proto files and src/wire/accepted_fields.txt.

    generate.py --protos DIR --own DIR --accepted FILE --out DIR

Writes below OUT
    gen/**.pb.{h,cc}   lite classes of the accepted messages, with the accepted fields and no others
    schema_table.cc    every field of those messages, accepted or not (see src/wire/schema.h)
    sources.cmake      set(WEFT_PROTO_SOURCES ...)
and leaves a file alone whose text is the same, so that nothing is compiled again for nothing.

Options, annotations and validation rules are dropped: protobuf-lite has no use for them, and dropping them
keeps their .proto files out. The well-known types are generated again because libprotobuf-lite lacks them.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

Field = descriptor_pb2.FieldDescriptorProto

WELL_KNOWN = {
    "google.protobuf.Any": "any",
    "google.protobuf.Duration": "duration",
    "google.protobuf.Struct": "struct_",
    "google.protobuf.Value": "value",
    "google.protobuf.ListValue": "list_value",
}
WELL_KNOWN.update({f"google.protobuf.{t}Value": "wrapper" for t in
                   ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")})

TYPES = {
    Field.TYPE_BOOL: "boolean", Field.TYPE_INT32: "int32", Field.TYPE_INT64: "int64",
    Field.TYPE_UINT32: "uint32", Field.TYPE_UINT64: "uint64", Field.TYPE_SINT32: "sint32",
    Field.TYPE_SINT64: "sint64", Field.TYPE_FIXED32: "fixed32", Field.TYPE_FIXED64: "fixed64",
    Field.TYPE_SFIXED32: "sfixed32", Field.TYPE_SFIXED64: "sfixed64", Field.TYPE_FLOAT: "float_",
    Field.TYPE_DOUBLE: "double_", Field.TYPE_STRING: "string", Field.TYPE_BYTES: "bytes",
    Field.TYPE_ENUM: "enumeration", Field.TYPE_MESSAGE: "message", Field.TYPE_GROUP: "message",
}

# Never printed, whoever asks.
REDACTED = {
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate.private_key",
}


def fail(text):
    sys.exit(f"generate.py: {text}")


def read_accepted(path):
    """{message: {field: its mark}}: "" has an effect, "~" has none, "=" has none and is written for others, "!" is
    written for others and refused."""
    accepted, name, where = {}, None, {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].rstrip()
        if not line:
            continue
        if line[0].isspace():
            if name is None:
                fail(f"{path}:{number}: a continuation line with nothing before it")
            words = line.split()
        else:
            name, colon, rest = line.partition(":")
            if not colon:
                fail(f"{path}:{number}: expected `message.full.Name: field field`")
            if name in accepted:
                fail(f"{path}:{number}: {name} is named twice")
            accepted[name], words = {}, rest.split()
        for word in words:
            accepted[name][word.lstrip("~=!")] = word[0] if word[0] in "~=!" else ""
        where[name] = number
    return accepted, where


def files_of(messages, roots):
    """The .proto files that declare these messages: found by package, which is also their folder."""
    wanted = {}
    for name in messages:
        parts = name.split(".")
        package = [p for p in parts if p[0].islower()]
        wanted.setdefault("/".join(package), set()).add(parts[len(package)])
    found = []
    for folder, names in wanted.items():
        for root in roots:
            for path in sorted((root / folder).glob("*.proto")) if (root / folder).is_dir() else []:
                text = path.read_text()
                if any(re.search(rf"^message {n}\b", text, re.M) for n in names):
                    found.append(str(path.relative_to(root)))
    return found


class Schema:
    def __init__(self, files):
        self.files = files
        self.messages, self.enums, self.file_of, self.parent = {}, {}, {}, {}
        for file in files.file:
            for message in file.message_type:
                self._message(message, f"{file.package}.{message.name}", file, None)
            for enum in file.enum_type:
                self.enums[f"{file.package}.{enum.name}"] = enum
                self.file_of[f"{file.package}.{enum.name}"] = file.name

    def _message(self, message, name, file, parent):
        self.messages[name], self.file_of[name], self.parent[name] = message, file.name, parent
        for inner in message.nested_type:
            self._message(inner, f"{name}.{inner.name}", file, name)
        for enum in message.enum_type:
            self.enums[f"{name}.{enum.name}"] = enum
            self.file_of[f"{name}.{enum.name}"] = file.name


def is_entry(message):
    return message.options.map_entry


def check(schema, accepted, where, path):
    for name, fields in accepted.items():
        message = schema.messages.get(name)
        if message is None:
            fail(f"{path}:{where[name]}: no message is called {name}")
        known = {f.name: f for f in message.field}
        for field, mark in fields.items():
            if field not in known:
                fail(f"{path}:{where[name]}: {name} has no field {field}")
            f = known[field]
            if mark == "~" or f.type != Field.TYPE_MESSAGE:
                continue
            kind = f.type_name[1:]
            if is_entry(schema.messages[kind]):
                value = schema.messages[kind].field[1]
                if value.type != Field.TYPE_MESSAGE:
                    continue
                kind = value.type_name[1:]
            if kind not in accepted and kind not in WELL_KNOWN:
                fail(f"{path}:{where[name]}: {name}.{field} is accepted, but {kind} has no line of its own")


def prune(schema, accepted):
    """The accepted part of the files, as lite."""
    kept_enums = set()
    out = descriptor_pb2.FileDescriptorSet()

    def prune_message(message, name):
        fields = accepted.get(name)
        whole = name.startswith("google.protobuf.") or is_entry(message)
        kept = descriptor_pb2.DescriptorProto(name=message.name)
        if is_entry(message):
            kept.options.map_entry = True
        oneofs = {}
        for f in message.field:
            if not whole and (fields is None or fields.get(f.name, "~") == "~"):
                continue
            new = kept.field.add()
            new.CopyFrom(f)
            new.ClearField("options")
            if f.options.HasField("packed"):
                new.options.packed = f.options.packed
            if f.HasField("oneof_index"):
                if f.oneof_index not in oneofs:
                    oneofs[f.oneof_index] = len(kept.oneof_decl)
                    kept.oneof_decl.add().name = message.oneof_decl[f.oneof_index].name
                new.oneof_index = oneofs[f.oneof_index]
            if f.type == Field.TYPE_ENUM:
                kept_enums.add(f.type_name[1:])
        entries_used = {f.type_name[1:] for f in kept.field if f.type == Field.TYPE_MESSAGE}
        for inner in message.nested_type:
            inner_name = f"{name}.{inner.name}"
            if is_entry(inner):
                if inner_name in entries_used:
                    kept.nested_type.add().CopyFrom(prune_message(inner, inner_name)[0])
                continue
            pruned, used = prune_message(inner, inner_name)
            if used or whole:
                kept.nested_type.add().CopyFrom(pruned)
        return kept, name in accepted or whole or len(kept.nested_type) > 0

    pruned_files = []
    for file in schema.files.file:
        if file.name == "google/protobuf/descriptor.proto":
            continue
        new = descriptor_pb2.FileDescriptorProto(name=file.name, package=file.package, syntax=file.syntax)
        new.options.optimize_for = descriptor_pb2.FileOptions.LITE_RUNTIME
        for message in file.message_type:
            pruned, used = prune_message(message, f"{file.package}.{message.name}")
            if used and (not file.package.startswith("google.protobuf") or
                         f"{file.package}.{message.name}" in WELL_KNOWN):
                new.message_type.add().CopyFrom(pruned)
        pruned_files.append((file, new))

    def strip_enum(enum):
        copy = descriptor_pb2.EnumDescriptorProto()
        copy.CopyFrom(enum)
        if copy.options.allow_alias:
            copy.ClearField("options")
            copy.options.allow_alias = True
        else:
            copy.ClearField("options")
        for value in copy.value:
            value.ClearField("options")
        return copy

    def add_enums(source, target, name):
        for enum in source.enum_type:
            if f"{name}.{enum.name}" in kept_enums:
                target.enum_type.add().CopyFrom(strip_enum(enum))
        for inner in source.nested_type:
            for kept in target.nested_type:
                if kept.name == inner.name:
                    add_enums(inner, kept, f"{name}.{inner.name}")
            # An enum of a message that is not kept itself cannot be: protoc says so.

    used_files = set()
    for file, new in pruned_files:
        for enum in file.enum_type:
            if f"{file.package}.{enum.name}" in kept_enums:
                new.enum_type.add().CopyFrom(strip_enum(enum))
        for message in file.message_type:
            for kept in new.message_type:
                if kept.name == message.name:
                    add_enums(message, kept, f"{file.package}.{message.name}")
        if new.message_type or new.enum_type:
            used_files.add(new.name)

    def types_in(message):
        for f in message.field:
            if f.type_name:
                yield f.type_name[1:]
        for inner in message.nested_type:
            yield from types_in(inner)

    for file, new in pruned_files:
        if new.name not in used_files:
            continue
        needs = {schema.file_of[t] for m in new.message_type for t in types_in(m)} - {new.name}
        new.dependency.extend(sorted(needs))
        out.file.add().CopyFrom(new)
    # protoc wants every file after those it needs.
    ordered, done = descriptor_pb2.FileDescriptorSet(), set()
    by_name = {f.name: f for f in out.file}

    def place(file):
        if file.name in done:
            return
        done.add(file.name)
        for need in file.dependency:
            place(by_name[need])
        ordered.file.add().CopyFrom(file)

    for file in out.file:
        place(file)
    return ordered


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(schema, accepted):
    rows = dict.fromkeys(accepted)
    rows.update(dict.fromkeys(WELL_KNOWN))
    names = list(rows)
    for name in names:
        for f in schema.messages[name].field:
            if f.type == Field.TYPE_MESSAGE and is_entry(schema.messages[f.type_name[1:]]):
                value = schema.messages[f.type_name[1:]].field[1]
                if value.type != Field.TYPE_MESSAGE or value.type_name[1:] in rows:
                    rows[f.type_name[1:]] = None
    names = sorted(rows)
    index = {name: i for i, name in enumerate(names)}
    enums = {}
    out = ["// Written by tools/protos/generate.py.", '#include "wire/schema.h"', "",
           "namespace weft::wire {", "namespace {", ""]
    for i, name in enumerate(names):
        message = schema.messages[name]
        lines = []
        for f in sorted(message.field, key=lambda f: f.number):
            whole = name in WELL_KNOWN or is_entry(message)
            state = "" if whole else accepted[name].get(f.name)
            acceptance = {None: "refused", "!": "refused", "": "effective", "~": "without_effect",
                          "=": "without_effect"}[state]
            row, is_map = "kNoRow", "false"
            if f.type == Field.TYPE_MESSAGE:
                kind = f.type_name[1:]
                is_map = "true" if is_entry(schema.messages[kind]) else "false"
                if state is not None and kind in index:
                    row = index[kind]
            elif f.type == Field.TYPE_ENUM and state is not None:
                row = enums.setdefault(f.type_name[1:], len(enums))
            oneof = f.oneof_index if f.HasField("oneof_index") and not f.proto3_optional else "kNoRow"
            repeated = "true" if f.label == Field.LABEL_REPEATED else "false"
            redacted = "true" if f"{name}.{f.name}" in REDACTED else "false"
            lines.append(f"    {{{quoted(f.name)}, {quoted(f.json_name)}, {f.number}, FieldType::{TYPES[f.type]}, "
                         f"Acceptance::{acceptance}, {repeated}, {is_map}, {redacted}, {row}, {oneof}}},")
        if lines:
            out += [f"constexpr FieldRow kFields{i}[] = {{  // {name}"] + lines + ["};"]
    for name, i in enums.items():
        if name not in schema.enums:
            fail(f"no enum is called {name}")
        out.append(f"constexpr EnumValue kEnum{i}[] = {{  // {name}")
        out += [f"    {{{quoted(v.name)}, {v.number}}}," for v in schema.enums[name].value]
        out.append("};")
    out.append("constexpr MessageRow kRows[] = {")
    for i, name in enumerate(names):
        message = schema.messages[name]
        form = WELL_KNOWN.get(name, "map_entry" if is_entry(message) else "plain")
        fields = f"kFields{i}" if message.field else "{}"
        out.append(f"    {{{quoted(name)}, MessageForm::{form}, {fields}}},")
    out += ["};", "constexpr EnumRow kEnumRows[] = {"]
    out += [f"    {{{quoted(name)}, kEnum{i}}}," for name, i in enums.items()]
    out += ["};", "", "}  // namespace", "", "constinit const std::span<const MessageRow> kMessages = kRows;",
            "constinit const std::span<const EnumRow> kEnums = kEnumRows;", "", "}  // namespace weft::wire", ""]
    return "\n".join(out)


def write(path, data):
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--protoc", default="protoc")
    for name in ("protos", "own", "accepted", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    args = parser.parse_args()

    roots = [args.protos / d for d in ("data-plane-api", "xds", "protoc-gen-validate", "googleapis",
                                       "opentelemetry-proto", "client_model", "cel-spec/proto")] + [args.own]
    accepted, where = read_accepted(args.accepted)
    own = sorted(p.name for p in args.own.glob("*.proto"))
    names = files_of([n for n in accepted if not n.startswith("istio.")], roots) + own
    includes = [f"-I{r}" for r in roots] + ["-I/usr/include"]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        full = scratch / "full.pb"
        subprocess.run([args.protoc, *includes, "--include_imports", f"--descriptor_set_out={full}", *names,
                        "google/protobuf/any.proto", "google/protobuf/struct.proto",
                        "google/protobuf/duration.proto", "google/protobuf/wrappers.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(full.read_bytes())
        schema = Schema(files)
        check(schema, accepted, where, args.accepted)
        pruned = prune(schema, accepted)
        (scratch / "pruned.pb").write_bytes(pruned.SerializeToString())
        gen = scratch / "gen"
        gen.mkdir()
        subprocess.run([args.protoc, f"--descriptor_set_in={scratch / 'pruned.pb'}", f"--cpp_out=lite:{gen}",
                        *[f.name for f in pruned.file]], check=True)
        sources = []
        wanted = set()
        for path in sorted(gen.rglob("*.pb.*")):
            target = args.out / "gen" / path.relative_to(gen)
            wanted.add(target)
            write(target, path.read_bytes())
            if path.suffix == ".cc":
                sources.append(str(target))
        for old in (args.out / "gen").rglob("*.pb.*"):
            if old not in wanted:
                old.unlink()
    write(args.out / "schema_table.cc", table(schema, accepted).encode())
    sources.append(str(args.out / "schema_table.cc"))
    write(args.out / "sources.cmake",
          ("set(WEFT_PROTO_SOURCES\n" + "".join(f'  "{s}"\n' for s in sources) + ")\n").encode())


main()
