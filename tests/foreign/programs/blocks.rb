# Many strings, a thread, and a forked child.
rows = Array.new(50_000) { |index| "row #{index}" * 3 }
counted = Thread.new { rows.sum(&:size) }
child = fork { exit rows.size % 251 }
Process.wait(child)
puts counted.value, $?.exitstatus
