// The pods that run, from the file that `weft up` keeps: workloads.json in the state directory.
//
// The format, its parser and its writer are in wire/runtime_state.h, where the command can reach them too.
// Here is what weftd does with it: pods become objects as if the Kubernetes API had told of them.
//
//   PodTable pods = to_pods(*wire::parse_workloads(text, "workloads.json"));
#pragma once

#include "wire/runtime_state.h"
