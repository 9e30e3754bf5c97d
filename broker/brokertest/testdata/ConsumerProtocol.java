import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

/** Members of a group under the consumer protocol (KIP-848) come and go while the coordinator is killed. */
public class ConsumerProtocol {
    static final int PARTITIONS = 6, RECORDS = 600;
    static final String GROUP = "next";
    static String servers;
    static final Set<String> read = ConcurrentHashMap.newKeySet();
    static final Map<TopicPartition, String> owners = new ConcurrentHashMap<>();
    static final AtomicReference<String> wrong = new AtomicReference<>();

    static class Member extends Thread implements ConsumerRebalanceListener {
        final String name, instance, assignor;
        final boolean pattern;
        volatile boolean stop;
        volatile int owns;

        Member(String name, String instance, String assignor, boolean pattern) {
            this.name = name;
            this.instance = instance;
            this.assignor = assignor;
            this.pattern = pattern;
        }

        public void run() {
            Properties p = new Properties();
            p.put("bootstrap.servers", servers);
            p.put("group.id", GROUP);
            p.put("group.protocol", "consumer");
            p.put("auto.offset.reset", "earliest");
            p.put("enable.auto.commit", "false");
            if (assignor != null) p.put("group.remote.assignor", assignor);
            if (instance != null) p.put("group.instance.id", instance);
            try (KafkaConsumer<String, String> c = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
                if (pattern) c.subscribe(new SubscriptionPattern("orders|none.*"), this);
                else c.subscribe(List.of("orders"), this);
                while (!stop) {
                    ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(200));
                    for (ConsumerRecord<String, String> r : records) read.add(r.value());
                    if (!records.isEmpty()) {
                        try {
                            c.commitSync();
                        } catch (CommitFailedException e) {
                            System.out.println(name + " commits too late: " + e.getMessage());
                        }
                    }
                }
            } catch (Throwable e) {
                e.printStackTrace(System.out);
                wrong.compareAndSet(null, name + " failed: " + e);
            }
        }

        public void onPartitionsAssigned(Collection<TopicPartition> parts) {
            for (TopicPartition tp : parts) {
                String other = owners.put(tp, name);
                if (other != null && !other.equals(name)) wrong.compareAndSet(null, tp + " is given to " + name + " while it is of " + other);
            }
            owns += parts.size();
        }

        public void onPartitionsRevoked(Collection<TopicPartition> parts) {
            for (TopicPartition tp : parts) owners.remove(tp, name);
            owns -= parts.size();
        }

        public void onPartitionsLost(Collection<TopicPartition> parts) {
            onPartitionsRevoked(parts);
        }
    }

    static void await(String what, Callable<Boolean> holds) throws Exception {
        for (long end = System.currentTimeMillis() + 60_000; ; Thread.sleep(50)) {
            if (wrong.get() != null) throw new IllegalStateException(wrong.get());
            if (holds.call()) return;
            if (System.currentTimeMillis() > end) throw new IllegalStateException("waited in vain for " + what + "; owners " + owners + ", " + read.size() + " read");
        }
    }

    public static void main(String[] args) throws Exception {
        servers = args[0];
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        try (Admin admin = Admin.create(p);
             KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            admin.createTopics(List.of(new NewTopic("orders", PARTITIONS, (short) 3))).all().get();
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < RECORDS / 2; i++) sent.add(producer.send(new ProducerRecord<>("orders", i % PARTITIONS, null, "v" + i)));
            Member a = new Member("a", null, "uniform", false), b = new Member("b", "static-b", null, true);
            a.start();
            await("a to own all", () -> a.owns == PARTITIONS);
            b.start();
            await("a and b to share", () -> a.owns == PARTITIONS / 2 && b.owns == PARTITIONS / 2);
            System.out.println("kill");
            for (int i = RECORDS / 2; i < RECORDS; i++) sent.add(producer.send(new ProducerRecord<>("orders", i % PARTITIONS, null, "v" + i)));
            for (Future<?> f : sent) f.get();
            await("all to be read", () -> read.size() == RECORDS);
            Member c = new Member("c", null, "range", false);
            c.start();
            await("three to share", () -> a.owns == 2 && b.owns == 2 && c.owns == 2);

            ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(GROUP)).all().get().get(GROUP);
            if (d.type() != GroupType.CONSUMER || d.members().size() != 3) throw new IllegalStateException("described as " + d);
            if (admin.listGroups(ListGroupsOptions.forConsumerGroups()).all().get().stream().noneMatch(g -> g.groupId().equals(GROUP)))
                throw new IllegalStateException("not listed");

            a.stop = true;
            a.join();
            await("two to share again", () -> b.owns == 3 && c.owns == 3);
            b.stop = c.stop = true;
            b.join();
            c.join();
            if (wrong.get() != null) throw new IllegalStateException(wrong.get());
            Map<TopicPartition, OffsetAndMetadata> committed = admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
            for (int i = 0; i < PARTITIONS; i++) {
                OffsetAndMetadata o = committed.get(new TopicPartition("orders", i));
                if (o == null || o.offset() != RECORDS / PARTITIONS) throw new IllegalStateException("committed " + committed);
            }
        }
        System.out.println("done");
        System.exit(0);
    }
}
