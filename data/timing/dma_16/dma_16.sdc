# dma_16: constraints written for this corpus; times in ns. Licence: Apache-2.0.
create_clock -name clk -period 1.541 [get_ports {clk}]
set_clock_uncertainty -setup 0.010 [all_clocks]
set_clock_uncertainty -hold 0.005 [all_clocks]
set data_inputs {}
foreach p [all_inputs] { if {[lsearch -exact [list {clk}] [get_property $p full_name]] < 0} { lappend data_inputs $p } }
set_input_delay 0.3082 -clock clk $data_inputs
set_output_delay 0.3082 -clock clk [all_outputs]
set_input_transition 0.020 [all_inputs]
