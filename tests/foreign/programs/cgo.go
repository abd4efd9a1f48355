// Blocks of C's malloc from many goroutines.
package main

/*
#include <stdlib.h>
#include <string.h>
static long fill(size_t size) {
    char *block = malloc(size);
    memset(block, 1, size);
    long sum = block[0] + block[size - 1];
    free(block);
    return sum;
}
*/
import "C"

import (
	"fmt"
	"sync"
)

func main() {
	var group sync.WaitGroup
	sums := make([]int, 16)
	for index := range sums {
		group.Add(1)
		go func(index int) {
			defer group.Done()
			for size := 1; size <= 2000; size++ {
				sums[index] += int(C.fill(C.size_t(size)))
			}
		}(index)
	}
	group.Wait()
	total := 0
	for _, sum := range sums {
		total += sum
	}
	fmt.Println(total)
}
