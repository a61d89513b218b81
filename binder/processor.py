"""Print the processor that machine code made here is for, as numba's cache tells them apart."""

import llvmlite.binding

print(llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten())
