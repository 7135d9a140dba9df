// A program without libc: the loader may load the object, and must not say a word about it.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("go", os.Args[1])
}
