import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.Deflater;

/** Threads, direct memory and native code of the library. */
public class Blocks {
    static int compress(int seed) {
        byte[] bytes = new byte[1 << 20];
        for (int index = 0; index < bytes.length; index++) bytes[index] = (byte) (index * seed >> 5);
        Deflater deflater = new Deflater();
        deflater.setInput(bytes);
        deflater.finish();
        int length = 0;
        byte[] out = new byte[1 << 16];
        while (!deflater.finished()) length += deflater.deflate(out);
        deflater.end();
        return java.nio.ByteBuffer.allocateDirect(1 << 20).capacity() / 1024 + (length > 0 ? 1 : 0);
    }

    public static void main(String[] arguments) throws Exception {
        var pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> results = new ArrayList<>();
        for (int seed = 1; seed <= 16; seed++) {
            int own = seed;
            results.add(pool.submit(() -> compress(own)));
        }
        int sum = 0;
        for (var result : results) sum += result.get();
        pool.shutdown();
        System.out.println(sum);
    }
}
