import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

/** Members of a share group (KIP-932) accept, release, reject and, given a second argument, renew records; when it says so, a leader of partitions may be killed. */
public class ShareConsumer {
    static final int PARTITIONS = 4, RECORDS = 2000, LIMIT = 5;
    static final String GROUP = "sharers";
    static String servers;
    static boolean renews;
    static final Set<String> accepted = ConcurrentHashMap.newKeySet(), rejected = ConcurrentHashMap.newKeySet(), renewed = ConcurrentHashMap.newKeySet(), unsure = ConcurrentHashMap.newKeySet();
    static final Map<String, Integer> delivered = new ConcurrentHashMap<>();
    static final AtomicInteger again = new AtomicInteger(), refused = new AtomicInteger();
    static final AtomicReference<String> wrong = new AtomicReference<>();

    static class Member extends Thread {
        final String name, mode, acquire;
        volatile boolean stop;

        Member(String name, String mode, String acquire) {
            this.name = name;
            this.mode = mode;
            this.acquire = acquire;
        }

        public void run() {
            Properties p = new Properties();
            p.put("bootstrap.servers", servers);
            p.put("group.id", GROUP);
            p.put("client.id", name);
            p.put("max.poll.records", "50");
            p.put("share.acknowledgement.mode", mode);
            p.put("share.acquire.mode", acquire);
            try (KafkaShareConsumer<String, String> c = new KafkaShareConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
                c.subscribe(List.of("shared"));
                while (!stop) round(c);
            } catch (Throwable e) {
                e.printStackTrace(System.out);
                wrong.compareAndSet(null, name + " failed: " + e);
            }
        }

        void round(KafkaShareConsumer<String, String> c) {
            ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(200));
            Map<String, AcknowledgeType> acks = new LinkedHashMap<>();
            Map<String, Integer> partitions = new HashMap<>();
            for (ConsumerRecord<String, String> r : records) {
                int count = r.deliveryCount().get(), n = Integer.parseInt(r.value());
                delivered.merge(r.value(), 1, Integer::sum);
                if (count < 1 || count > LIMIT) wrong.compareAndSet(null, r.value() + " is delivered for the " + count + "th time");
                if (count > 1) again.incrementAndGet();
                if (accepted.contains(r.value())) wrong.compareAndSet(null, r.value() + " was accepted and is delivered again");
                if (rejected.contains(r.value())) wrong.compareAndSet(null, r.value() + " was rejected and is delivered again");
                AcknowledgeType type = AcknowledgeType.ACCEPT;
                if (mode.equals("explicit")) {
                    if (n % 7 == 0 && count == 1) type = AcknowledgeType.RELEASE;
                    else if (n % 101 == 0) type = AcknowledgeType.REJECT;
                    else if (renews && n % 11 == 0 && renewed.add(r.value())) {
                        c.acknowledge(r, AcknowledgeType.RENEW);
                        acks.put(r.value(), AcknowledgeType.RENEW);
                        partitions.put(r.value(), r.partition());
                        continue;
                    }
                    c.acknowledge(r, type);
                }
                acks.put(r.value(), type);
                partitions.put(r.value(), r.partition());
            }
            Map<TopicIdPartition, Optional<KafkaException>> results = c.commitSync();
            acks.forEach((value, type) -> {
                boolean well = false;
                for (Map.Entry<TopicIdPartition, Optional<KafkaException>> e : results.entrySet())
                    if (e.getKey().partition() == partitions.get(value)) well = e.getValue().isEmpty();
                if (!well) {
                    refused.incrementAndGet();
                    if (type == AcknowledgeType.ACCEPT || type == AcknowledgeType.REJECT) unsure.add(value); // it may have been written
                }
                else if (type == AcknowledgeType.ACCEPT) accepted.add(value);
                else if (type == AcknowledgeType.REJECT) rejected.add(value);
            });
        }
    }

    static void await(String what, Callable<Boolean> holds) throws Exception {
        for (long end = System.currentTimeMillis() + 90_000; ; Thread.sleep(50)) {
            if (wrong.get() != null) throw new IllegalStateException(wrong.get());
            if (holds.call()) return;
            if (System.currentTimeMillis() > end) throw new IllegalStateException("waited in vain for " + what + "; " + accepted.size() + " accepted, " + rejected.size() + " rejected, " + refused + " refused");
        }
    }

    static Set<String> done() {
        Set<String> all = new HashSet<>(accepted);
        all.addAll(rejected);
        all.addAll(unsure);
        return all;
    }

    public static void main(String[] args) {
        try {
            renews = args.length > 1;
            run(args[0]);
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1); // members still run
        }
        System.out.println("done");
        System.exit(0);
    }

    static void run(String brokers) throws Exception {
        servers = brokers;
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        try (Admin admin = Admin.create(p);
             KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            admin.createTopics(List.of(new NewTopic("shared", PARTITIONS, (short) 3))).all().get();
            ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, GROUP);
            admin.incrementalAlterConfigs(Map.of(group, List.of(
                new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < RECORDS / 2; i++) sent.add(producer.send(new ProducerRecord<>("shared", i % PARTITIONS, null, "" + i)));
            List<Member> members = List.of(new Member("a", "explicit", "batch_optimized"), new Member("b", "implicit", "batch_optimized"), new Member("c", "explicit", "record_limit"));
            for (Member m : members) m.start();
            await("a quarter to be done", () -> done().size() > RECORDS / 4);
            System.out.println("kill");
            for (int i = RECORDS / 2; i < RECORDS; i++) {
                sent.add(producer.send(new ProducerRecord<>("shared", i % PARTITIONS, null, "" + i)));
                Thread.sleep(2); // the leader goes meanwhile
            }
            for (Future<?> f : sent) f.get();
            await("all to be done", () -> done().size() == RECORDS);

            ShareGroupDescription d = admin.describeShareGroups(List.of(GROUP)).all().get().get(GROUP);
            if (d.members().size() != 3) throw new IllegalStateException("described as " + d);
            for (Member m : members) m.stop = true;
            for (Member m : members) m.join();
            if (wrong.get() != null) throw new IllegalStateException(wrong.get());
            await("every start offset to be the end", () -> {
                Map<TopicPartition, SharePartitionOffsetInfo> at = admin.listShareGroupOffsets(Map.of(GROUP, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(GROUP).get();
                for (int i = 0; i < PARTITIONS; i++) {
                    SharePartitionOffsetInfo o = at.get(new TopicPartition("shared", i));
                    if (o == null || o.startOffset() != RECORDS / PARTITIONS) return false;
                }
                return true;
            });
            if (again.get() == 0 || renews && renewed.isEmpty() || rejected.isEmpty()) throw new IllegalStateException("nothing was delivered again, renewed or rejected");
        }
        System.out.println(delivered.values().stream().mapToInt(n -> n).sum() + " deliveries of " + RECORDS + " records, " + refused + " refused");
    }
}
