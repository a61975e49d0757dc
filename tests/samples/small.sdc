# A clock of 1 ns.
create_clock -name clk -period 1.0 [get_ports clk]
set_input_delay 0.1 -clock clk [get_ports {a b}]
set_output_delay 0.2 -clock clk [all_outputs]
set_input_transition 0.02 [all_inputs]
