# div_array_12: constraints written for this corpus; times in ns. Licence: Apache-2.0.
create_clock -name clk -period 11.046
set_clock_uncertainty -setup 0.010 [all_clocks]
set_clock_uncertainty -hold 0.005 [all_clocks]
set_input_delay 2.2092 -clock clk [all_inputs]
set_output_delay 2.2092 -clock clk [all_outputs]
set_input_transition 0.020 [all_inputs]
